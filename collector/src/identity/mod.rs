//! Who is calling, and how they prove it: tokens of programs and browsers, passwords and sessions of
//! admins. What they may do is decided where it is done.

pub mod csrf;
pub mod keys;
pub mod passwords;
pub mod throttle;
pub mod tokens;
