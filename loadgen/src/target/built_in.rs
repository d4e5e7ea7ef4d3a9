//! The targets that this build knows by name.

const BUILT_IN: [(&str, &str); 4] = [
    ("feed", include_str!("../../targets/feed.toml")),
    ("broadcast", include_str!("../../targets/broadcast.toml")),
    ("nchan", include_str!("../../targets/nchan.toml")),
    ("socketio", include_str!("../../targets/socketio.toml")),
];

/// The file of a built-in target.
pub(super) fn find(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(own, _)| *own == name).map(|(_, file)| *file)
}

/// The names of all of them.
pub(super) fn names() -> Vec<&'static str> {
    BUILT_IN.iter().map(|(name, _)| *name).collect()
}
