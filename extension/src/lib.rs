//! Rollcall's browser extension: a sans-IO agent and three doors.
