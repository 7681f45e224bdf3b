//! Where the project's own files are.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The top folder of the project: of the tree that cargo runs this in, which need not be the one it was built in. A
/// tree that was moved, or two that build into one folder, have one program.
pub fn top() -> &'static Path {
    static TOP: LazyLock<PathBuf> = LazyLock::new(|| {
        let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        xtask.parent().map(Path::to_path_buf).unwrap_or(xtask)
    });
    &TOP
}

/// The folder that cargo builds into.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| top().join("target"), |folder| top().join(folder))
}
