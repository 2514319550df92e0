//! A person, or the service worker, that is gone before a page could say what it shows.

use anyhow::Result;
use tests::day::{JONAS, MARIA, Person, Scene, scenes};
use tests::desk::Desk;

use super::{World, scene};

/// Where neither the scenes' apps nor their forms are.
const ELSEWHERE: &str = "https://www.ledgerweekly.example/";

/// Plays a scene to its end, which is left as soon as it is there.
fn play_and_leave(desk: &Desk, scene: &Scene, before: impl Fn() -> Result<()>) -> Result<()> {
    let tab = desk.browser.first_tab()?;
    scene.play(&tab)?;
    before()?;
    tab.go_to(ELSEWHERE)
}

fn check(person: &Person, scene: Scene) -> Result<()> {
    let world = World::new()?;
    let desk = world.desk(person)?;
    play_and_leave(&desk, &scene, || Ok(()))?;
    world.check(&desk, &[scene])
}

#[test]
fn a_person_who_leaves_the_app_at_once_has_signed_in() -> Result<()> {
    check(&MARIA, scene("Slack"))
}

#[test]
fn a_person_who_leaves_at_once_after_an_oidc_sign_in_has_signed_in() -> Result<()> {
    check(&JONAS, scene("Notion"))
}

#[test]
fn a_person_who_leaves_at_once_after_a_wrong_password_has_not_signed_in() -> Result<()> {
    let wrong = |it: &Scene| it.what.contains("password wrong");
    check(&JONAS, scenes().into_iter().find(wrong).expect("the day has such a scene"))
}

#[test]
fn a_worker_that_is_stopped_before_the_page_is_described_loses_no_sign_in() -> Result<()> {
    let world = World::new()?;
    let desk = world.desk(&MARIA)?;
    let scene = scene("Slack");
    play_and_leave(&desk, &scene, || desk.browser.stop_worker())?;
    world.check(&desk, &[scene])
}
