//! How a browser becomes known.

use std::time::Duration;

use anyhow::{Context, Result};
use tests::account;
use tests::browser::{Browser, Launch};
use tests::day::{JONAS, MARIA};
use tests::desk::{Desk, Way, policy, target};
use tests::updates::UpdateServer;

use super::{World, scene};

#[test]
fn an_enrollment_link_is_enough_without_a_policy() -> Result<()> {
    let world = World::new()?;
    let desk = world.desk_by(&MARIA, Way::Link)?;
    let scenes = [scene("Slack")];
    desk.play(&scenes, |_| ())?;
    world.check(&desk, &scenes)?;

    let url = format!("{}/v1/installations", world.recorder.url());
    let installations = account::get(&url, world.app.api_key.text())?;
    assert_eq!(installations["items"][0]["identity_method"], "link", "{installations:#}");
    Ok(())
}

#[test]
fn a_package_forced_by_policy_installs_enrolls_and_reports() -> Result<()> {
    let world = World::new()?;
    let version = env!("CARGO_PKG_VERSION");
    let package = target().join("package").join(format!("rollcall-{version}.crx"));
    let updates = UpdateServer::start(&package, version)?;
    let launch = Launch::with_sites(&world.sites)
        .force_install(updates.url())
        .managed(&policy(&JONAS, &world.collector()));
    let desk = Desk { browser: Browser::launch(&launch)? };
    let limit = Duration::from_secs(30);
    world.recorder.wait_for("the enrollment", limit, |requests| {
        requests.iter().any(|it| it.path == shared::wire::ENROLL_PATH && it.status == Some(200))
    })?;
    desk.wait_until_reporting()?;

    let scenes = [scene("tallyboard.example")];
    desk.play(&scenes, |_| ())?;
    world.check(&desk, &scenes).context("the packed extension")
}
