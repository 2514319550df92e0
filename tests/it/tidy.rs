//! The rules of the house that reading the sources can check (`ARCHITECTURE.md`). A rule without a
//! check is a wish.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file below `folder` with this extension, as (path from the root, text), sorted.
fn sources(folder: &str, extension: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|it| it == extension) {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut paths = Vec::new();
    walk(&root.join(folder), extension, &mut paths);
    paths.sort();
    assert!(
        !paths.is_empty(),
        "no .{extension} file below {folder}: the check would check nothing"
    );
    let name = |it: &Path| it.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|it| (name(it), fs::read_to_string(it).unwrap())).collect()
}

/// Lines of code: comments and the tests at a file's end are left out.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
}

/// Fails with every place that holds one of `words` outside the files that `may` names.
fn check_only(folder: &str, words: &[&str], may: &[&str], reason: &str) {
    let mut places = Vec::new();
    for (name, text) in sources(folder, "rs") {
        if may.iter().any(|it| name.starts_with(it)) {
            continue;
        }
        for (line, code) in code_lines(&text) {
            if words.iter().any(|it| code.contains(it)) {
                places.push(format!("{name}:{line}: {}", code.trim()));
            }
        }
    }
    assert!(places.is_empty(), "{reason}:\n{}", places.join("\n"));
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What a crate names in `[dependencies]`.
fn dependencies(metadata: &Value, package: &str) -> BTreeSet<String> {
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|it| it["name"] == package).unwrap();
    let dependencies = package["dependencies"].as_array().unwrap().iter();
    dependencies
        .filter(|it| it["kind"].is_null())
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn shared_depends_on_types_only() {
    let allowed = ["chrono", "serde", "serde_json", "thiserror"];
    let found = dependencies(&metadata(), "shared");
    let other: Vec<_> = found.iter().filter(|it| !allowed.contains(&it.as_str())).collect();
    assert!(other.is_empty(), "shared may use {allowed:?}, and also uses {other:?}");
}

#[test]
fn collector_and_extension_do_not_know_each_other() {
    let metadata = metadata();
    let collector = dependencies(&metadata, "collector");
    assert!(collector.contains("shared") && !collector.contains("extension"));
    let extension = dependencies(&metadata, "extension");
    assert!(extension.contains("shared"));
    for name in ["collector", "diesel", "actix-web", "tokio", "regex", "psl", "url"] {
        assert!(!extension.contains(name), "extension uses {name}");
    }
    // Its JSON is `shared::json`: readers and writers that serde derives were half of the module.
    for name in ["serde", "serde_json"] {
        assert!(!extension.contains(name), "extension uses {name}");
    }
}

#[test]
fn nothing_depends_on_xtask_or_tests() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let found = dependencies(&metadata, name);
        assert!(!found.contains("xtask") && !found.contains("tests"), "{name} uses {found:?}");
    }
}

#[test]
fn versions_stand_in_the_workspace_manifest_only() {
    for package in ["shared", "extension", "collector", "tests", "tests/probe", "xtask"] {
        let text = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{package} does not take the house's lints"
        );
        let after = text.split_once("dependencies]").map_or("", |(_, rest)| rest);
        for line in after.lines().filter(|it| it.contains('=') && !it.starts_with('#')) {
            let own = line.contains("version") || line.contains("= \"");
            let in_other_table = !line.contains("workspace");
            assert!(!(own && in_other_table && is_dependency(line)), "{package}: {line}");
        }
    }
}

/// `name = "1.2"` or `name = { version = .. }`, and not a key of `[[bench]]` and the like.
fn is_dependency(line: &str) -> bool {
    let key = line.split(['=', '.']).next().unwrap_or("").trim();
    !["name", "path", "harness", "required-features", "workspace"].contains(&key)
}

#[test]
fn wasm_bindgen_and_its_glue_are_pinned_side_by_side() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let pin = |name: &str| {
        let start = format!("{name} = \"=");
        let at = text.lines().position(|it| it.starts_with(&start));
        let at = at.unwrap_or_else(|| panic!("{name} is not pinned with '='"));
        let version = text.lines().nth(at).unwrap().rsplit('=').next().unwrap().trim_matches('"');
        (at, version.to_owned())
    };
    let (library_at, library) = pin("wasm-bindgen");
    let (glue_at, glue) = pin("wasm-bindgen-cli-support");
    assert_eq!(library, glue, "the generated glue must be of the library's own version");
    assert_eq!(library_at + 1, glue_at, "the two lines stand side by side");
}

#[test]
fn shared_performs_no_io_and_reads_no_clock() {
    check_only(
        "shared/src",
        &[
            "std::fs",
            "std::net",
            "std::env",
            "std::io",
            "SystemTime",
            "Instant::now",
            "Utc::now",
            "println!",
        ],
        &[],
        "shared is pure; time and text are arguments",
    );
}

#[test]
fn only_store_uses_the_schema() {
    check_only(
        "collector/src",
        // OpenAPI has schemas, too.
        &["db::schema", " schema::", "(schema::"],
        &["collector/src/store", "collector/src/db"],
        "only collector::store may use db::schema",
    );
}

#[test]
fn only_db_names_a_connection_of_one_backend() {
    check_only(
        "collector/src",
        &["SqliteConnection", "PgConnection"],
        &["collector/src/db"],
        "only collector::db may name a concrete connection",
    );
}

#[test]
fn what_is_shown_of_people_is_read_through_the_veil() {
    let words = [
        "users::find_all(",
        "users::list_everyone(",
        "figures::list_users(",
        "list_mail_messages::list(",
        "enrollment_keys::list",
        "list_users::list(",
        "list_offboardings::list(",
        "audit::list(",
    ];
    let doors = [
        // Each of these draws it over what it reads.
        "collector/src/pages/rollout.rs",
        "collector/src/api/mailings.rs",
        "collector/src/api/audit.rs",
        "collector/src/api/enrollment_keys.rs",
        "collector/src/api/offboardings.rs",
        "collector/src/api/users.rs",
        // It names handlers.
        "collector/src/api/openapi/mod.rs",
        // A browser is told its own user's address.
        "collector/src/api/heartbeats.rs",
        "collector/src/api/sign_ins.rs",
        // Settings and their names.
        "collector/src/pages/all_settings.rs",
    ];
    for folder in ["collector/src/api", "collector/src/pages"] {
        let code = |line: &str| line.replace("veil::find_all(", "");
        for (name, text) in sources(folder, "rs") {
            for (line, it) in code_lines(&text).filter(|_| !doors.contains(&name.as_str())) {
                let it = code(it);
                let found = words.iter().find(|word| it.contains(*word));
                assert!(found.is_none(), "{name}:{line} reads people past collector::veil: {it}");
            }
        }
    }
}

#[test]
fn only_config_reads_the_environment() {
    check_only(
        "collector/src",
        &["std::env", "env::var"],
        &["collector/src/config"],
        "settings come from collector::config",
    );
}

#[test]
fn only_problem_picks_the_status_of_an_error() {
    let words = [
        "StatusCode::",
        "HttpResponse::BadRequest",
        "HttpResponse::Unauthorized",
        "HttpResponse::Forbidden",
        "HttpResponse::NotFound",
        "HttpResponse::Conflict",
        "HttpResponse::UnprocessableEntity",
        "HttpResponse::TooManyRequests",
        "HttpResponse::InternalServerError",
        "HttpResponse::ServiceUnavailable",
        "ErrorInternalServerError",
        "ErrorBadRequest",
    ];
    check_only(
        "collector/src",
        &words,
        &["collector/src/problem"],
        "errors get their status in collector::problem",
    );
}

#[test]
fn the_arrows_in_the_collector_point_one_way() {
    let above: &[(&str, &[&str])] = &[
        (
            "collector/src/db",
            &["store", "ingest", "activity", "identity", "api", "pages", "routes", "server"],
        ),
        ("collector/src/store", &["ingest", "identity", "api", "pages", "routes", "server"]),
        ("collector/src/ingest", &["api", "pages", "routes", "server"]),
        ("collector/src/identity", &["api", "pages", "routes", "server"]),
    ];
    for (room, forbidden) in above {
        let words: Vec<String> = forbidden
            .iter()
            .flat_map(|it| [format!("crate::{it}::"), format!("use crate::{it};")])
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        check_only(room, &words, &[], &format!("{room} reaches upwards"));
    }
}

#[test]
fn only_chrome_rs_binds_to_the_browser() {
    check_only(
        "extension/src",
        &["extern \"C\""],
        &["extension/src/chrome.rs"],
        "chrome.rs is the only door to chrome.*",
    );
    check_only(
        "extension/src",
        &["Reflect::", "js_sys::eval", "Function::new"],
        &[],
        "the way around the bindings",
    );
}

#[test]
fn the_agent_knows_no_browser() {
    check_only(
        "extension/src",
        &["web_sys", "js_sys", "wasm_bindgen", "crate::chrome", "crate::runtime"],
        &[
            "extension/src/chrome.rs",
            "extension/src/clock.rs",
            "extension/src/lib.rs",
            "extension/src/runtime.rs",
            "extension/src/ui.rs",
        ],
        "the agent and its parts are tested natively; only the doors know the browser",
    );
}

#[test]
fn a_shim_contains_no_decision() {
    for (name, text) in sources("manifest", "js") {
        if name.ends_with("content.js") {
            continue; // WASM cannot run there; `reader.rs` has its own, stricter list.
        }
        let code: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|it| {
                !it.is_empty()
                    && !it.starts_with("//")
                    && !it.starts_with('*')
                    && !it.starts_with("/*")
            })
            .collect();
        assert!(code.len() <= 40, "{name} has {} lines, at most 40 are allowed", code.len());
        for line in code {
            let words: Vec<&str> =
                line.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').collect();
            for word in ["if", "for", "while", "switch", "eval"] {
                assert!(!words.contains(&word), "{name} decides: {line}");
            }
            assert!(!line.contains(" ? ") && !line.contains("innerHTML"), "{name} decides: {line}");
        }
    }
}

#[test]
fn sources_name_no_machine_and_no_registry() {
    let folders: &[(&str, &[&str])] = &[
        ("shared", &["rs"]),
        ("extension", &["rs"]),
        ("collector", &["rs"]),
        ("tests", &["rs"]),
        ("xtask", &["rs"]),
        ("manifest", &["js", "json", "html"]),
    ];
    // Written in pieces, or this file would name them.
    let registries =
        [["crates", ".io"], ["pypi", ".org"], ["npmjs", ".org"], ["deb.debian", ".org"]];
    for (folder, extensions) in folders {
        for (name, text) in extensions.iter().flat_map(|it| sources(folder, it)) {
            for host in registries.map(|it| it.concat()) {
                assert!(!text.contains(&host), "{name} names {host}");
            }
            for path in [["/root", "/"], ["/work", "/"]].map(|it| it.concat()) {
                assert!(!text.contains(&path), "{name} names a path of one machine: {path}");
            }
        }
    }
}
