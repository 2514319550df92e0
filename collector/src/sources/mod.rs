//! What sources other than the extension report: read row by row, collected in sessions, applied in
//! steps between batches.

pub mod settings;

pub mod record;

pub mod sessions;
pub mod table;
pub mod upload;

pub mod accounts;
pub mod apply;
pub mod effect;
pub mod names;
