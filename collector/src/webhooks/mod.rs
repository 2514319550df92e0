//! Telling other programs what happened.
//!
//! [`events`] are written in the transactions of the facts that cause them, and only where a webhook asks
//! for their kind, so that nobody else pays. [`watch`] looks for what comes about with time alone.
//! [`delivery`] gives events to webhooks and works on the queue; [`courier`] signs and sends, to
//! [`addresses`] that may be reached from here. [`changes`] makes and changes webhooks, for pages and API
//! alike. `docs/webhooks.md` says how a receiver checks what it gets.

pub mod addresses;
pub mod changes;
pub mod courier;
pub mod delivery;
pub mod events;
pub mod watch;
