//! Journeys: a real Chromium with the built extension, look-alike sites, the real collector on the
//! database under test, and a recorder on the wire between them.
//!
//! They need `cargo xtask package`, whose results they find in `target/`; `cargo xtask test` does that
//! first. Each launches one browser at a time, so that two journeys fit on two cores.

mod accessibility;
mod admin;
mod day;
mod enrollment;
mod federated;
mod forms;
mod leaving;
mod rollout;
mod signing;
mod trouble;
mod usage;
mod wasm;

use anyhow::{Context, Result};
use tests::account::{self, Known};
use tests::app::{Served, TestApp};
use tests::browser::can_set_policies;
use tests::day::{Person, Scene};
use tests::desk::{Collector, Desk, Way, built_extension};
use tests::lookalike::{Place, Sites};
use tests::recorder::Recorder;

/// Everything around one browser.
struct World {
    app: TestApp,
    recorder: Recorder,
    sites: Sites,
    _served: Served,
}

impl World {
    fn new() -> Result<World> {
        World::with_places(Vec::new())
    }

    fn with_places(places: Vec<Place>) -> Result<World> {
        let app = TestApp::live();
        let served = app.serve();
        let recorder = Recorder::start(&served.origin())?;
        let sites = Sites::with_places(tests::day::accounts(), places)?;
        Ok(World { app, recorder, sites, _served: served })
    }

    /// What policy or link say.
    fn collector(&self) -> Collector {
        Collector {
            url: self.recorder.url(),
            enrollment_key: self.app.enrollment_key.text().to_owned(),
        }
    }

    /// A person's browser, enrolled by policy where a policy can be set.
    fn desk(&self, person: &Person) -> Result<Desk> {
        let way = if can_set_policies() { Way::Policy } else { Way::Link };
        self.desk_by(person, way)
    }

    fn desk_by(&self, person: &Person, way: Way) -> Result<Desk> {
        Desk::open(person, &self.sites, &built_extension()?, &self.collector(), way)
    }

    /// What both sides know now.
    fn known(&self) -> Result<Known> {
        let user_apps = account::user_apps(&self.recorder.url(), self.app.api_key.text())?;
        Ok(Known { user_apps, sent: self.recorder.accepted_events() })
    }

    /// Sends until these scenes have come to what they should, and checks that nothing else has.
    fn check(&self, desk: &Desk, scenes: &[Scene]) -> Result<()> {
        desk.send_until(scenes, || self.known())?;
        self.known()?.check_nothing_else()?;
        self.check_wire()
    }

    /// Every request that left the browser, whole: what must stay there is in none of them.
    fn check_wire(&self) -> Result<()> {
        const PATHS: [(&str, &str); 5] = [
            ("POST", shared::wire::ENROLL_PATH),
            ("POST", shared::wire::HEARTBEATS_PATH),
            ("GET", shared::wire::CONFIGURATION_PATH),
            ("GET", shared::wire::CATALOG_PATH),
            ("POST", shared::wire::BATCHES_PATH),
        ];
        for request in self.recorder.requests() {
            if request.path.starts_with("/v1/user-apps")
                || request.path.starts_with("/v1/installations")
            {
                // These are the test's own.
                continue;
            }
            let is_known = PATHS.contains(&(request.method.as_str(), request.path.as_str()));
            anyhow::ensure!(is_known, "{} {} is not of the protocol", request.method, request.path);
            let headers = request.headers.to_lowercase();
            for word in ["cookie:", "referer:"] {
                anyhow::ensure!(!headers.contains(word), "{word} was sent: {headers}");
            }
            for text in [&request.path, &request.headers, &request.body] {
                account::check_text(text).with_context(|| request.path.clone())?;
            }
        }
        Ok(())
    }
}

/// The scene that ends in this app.
fn scene(app: &str) -> Scene {
    let is_it = |scene: &Scene| matches!(scene.outcome, tests::day::Outcome::Used { app: it, .. } if it == app);
    tests::day::scenes().into_iter().find(is_it).expect("the day has such a scene")
}
