//! Who is calling, and how they prove it: keys, sign-ins at installations, passwords and sessions of
//! admins. What they may do is decided where it is done.

pub mod keys;

pub mod installations;
pub mod links;
pub mod oidc;
pub mod providers;

pub mod accounts;
pub mod admins;
pub mod csrf;
pub mod factors;
pub mod passwords;
pub mod sessions;
pub mod throttle;
pub mod tickets;
