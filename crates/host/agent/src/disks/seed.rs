//! The disk from which a guest reads what it is given at its first start.

use hostler_hypervisor::Trouble;

use super::refused::invalid;

/// The first line of a seed; a guest looks for it.
const SEED: &str = "HOSTLER-SEED\n";
/// How much of a seed the guest reads, in bytes, the NUL at its end included.
const SEED_BYTES: usize = 4_096;
/// The largest disk a seed may be: it is held in memory.
const SEED_DISK_BYTES: u64 = 16 << 20;

/// The content of a seed's disk.
pub(super) fn seed(file: &str, text: &str, size_bytes: u64) -> Result<Vec<u8>, Trouble> {
    if text.contains('\0') || text.lines().any(|line| !line.contains('=')) {
        return Err(invalid(file, "a seed is lines of key=value, none of them empty"));
    }
    let mut content = format!("{SEED}{text}");
    if !content.ends_with('\n') {
        content.push('\n');
    }
    let mut content = content.into_bytes();
    content.push(0);
    if content.len() > SEED_BYTES {
        return Err(invalid(file, format!("a seed has {SEED_BYTES} bytes at most")));
    }
    let size = usize::try_from(size_bytes).unwrap_or(usize::MAX);
    if size < content.len() || size_bytes > SEED_DISK_BYTES {
        return Err(invalid(file, format!("{size_bytes} bytes are no size for the disk of a seed")));
    }
    content.resize(size, 0);
    Ok(content)
}
