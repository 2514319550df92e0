//! The sign-in state machine: form, federated, passkey, magic link; evidence; event.
