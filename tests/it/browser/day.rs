//! The working day, each scene checked in the collector and on the wire.

use anyhow::Result;
use tests::day::{self, JONAS, MARIA, Person};

use super::World;

#[test]
fn marias_day_becomes_slack_and_jira_and_nothing_private_leaves() -> Result<()> {
    check(&MARIA)
}

#[test]
fn jonas_day_becomes_notion_and_an_unknown_tool_and_a_wrong_password_counts_for_nothing()
-> Result<()> {
    check(&JONAS)
}

fn check(person: &Person) -> Result<()> {
    let world = World::new()?;
    let desk = world.desk(person)?;
    let scenes: Vec<_> = day::scenes().into_iter().filter(|it| it.who == *person).collect();
    desk.play(&scenes, |_| ())?;
    world.check(&desk, &scenes)
}
