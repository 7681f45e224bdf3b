//! qcow2, versions 2 and 3: header, header extensions, incompatible features, and whether the tables and
//! the clusters they count are within the file. Written from QEMU's `docs/interop/qcow2.txt`.

use super::bytes::{Bytes, be32, be64};
use super::{Backing, Format, Image};
use crate::rejected::{Rejected, shown};

/// What QEMU itself refuses beyond, bytes of the first-level table and of the refcount table.
const L1_LIMIT_BYTES: u64 = 32 << 20;
const REFCOUNT_TABLE_LIMIT_BYTES: u64 = 8 << 20;
/// What QEMU itself refuses beyond.
const SNAPSHOT_LIMIT: u32 = 65_536;
/// How much of one table is looked at, bytes.
const LOOK_BYTES: u64 = 1 << 20;
const OFFSET_MASK: u64 = 0x00ff_ffff_ffff_fe00;

const DIRTY: u64 = 1 << 0;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL_DATA: u64 = 1 << 2;
const COMPRESSION_TYPE: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;

const EXT_BACKING_FORMAT: u32 = 0xe279_2aca;
const EXT_DATA_FILE: u32 = 0x4441_5441;

struct Header {
    backing_offset: u64,
    backing_len: u32,
    cluster_bits: u32,
    size: u64,
    crypt: u32,
    l1_entries: u32,
    l1_offset: u64,
    refcount_offset: u64,
    refcount_clusters: u32,
    snapshots: u32,
    incompatible: u64,
    refcount_order: u32,
    header_len: u32,
}

pub(super) fn read(bytes: &Bytes<'_>, head: &[u8]) -> Result<Image, Rejected> {
    let header = header(bytes, head)?;
    let cluster = 1u64 << header.cluster_bits;
    let mut image = Image::new(Format::Qcow2, header.size);
    image.internal_snapshots = header.snapshots;
    image.dirty = header.incompatible & DIRTY != 0;
    image.encryption = match header.crypt {
        0 => None,
        1 => Some("AES".into()),
        2 => Some("LUKS".into()),
        other => return Err(unsupported(format!("encryption method {other}"))),
    };

    let (backing_format, data_file) = extensions(bytes, &header, cluster)?;
    if header.incompatible & EXTERNAL_DATA != 0 || data_file.is_some() {
        image.data_files.push(data_file.unwrap_or_else(|| "(not named)".into()));
    }
    if header.backing_offset != 0 {
        if header.backing_len == 0 || header.backing_len > 1023 {
            return Err(damaged("the backing file's name has an impossible length"));
        }
        let end = header.backing_offset.checked_add(u64::from(header.backing_len));
        if header.backing_offset < u64::from(header.header_len) || end.is_none_or(|end| end > cluster) {
            return Err(damaged("the backing file's name is not in the first cluster"));
        }
        let name = bytes.at(
            Format::Qcow2,
            "the backing file's name",
            header.backing_offset,
            header.backing_len as usize,
        )?;
        image.backing =
            Some(Backing { name: String::from_utf8_lossy(&name).into_owned(), format: backing_format });
    }

    if header.size > super::MAX_VIRTUAL_BYTES {
        return Err(Rejected::TooLarge { bytes: header.size, limit: super::MAX_VIRTUAL_BYTES });
    }
    tables(bytes, &header, cluster, image.dirty)?;
    Ok(image)
}

fn header(bytes: &Bytes<'_>, head: &[u8]) -> Result<Header, Rejected> {
    let version = be32(head, 4);
    let needed = match version {
        2 => 72,
        3 => 104,
        other => return Err(unsupported(format!("version {other}"))),
    };
    if head.len() < needed {
        return Err(Rejected::Truncated { format: Format::Qcow2, what: "the header is incomplete".into() });
    }
    let v3 = version == 3;
    let header = Header {
        backing_offset: be64(head, 8),
        backing_len: be32(head, 16),
        cluster_bits: be32(head, 20),
        size: be64(head, 24),
        crypt: be32(head, 32),
        l1_entries: be32(head, 36),
        l1_offset: be64(head, 40),
        refcount_offset: be64(head, 48),
        refcount_clusters: be32(head, 56),
        snapshots: be32(head, 60),
        incompatible: if v3 { be64(head, 72) } else { 0 },
        refcount_order: if v3 { be32(head, 96) } else { 4 },
        header_len: if v3 { be32(head, 100) } else { 72 },
    };
    let known = DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2;
    if header.incompatible & !known != 0 {
        return Err(unsupported(format!("unknown features {:#x}", header.incompatible & !known)));
    }
    if header.incompatible & CORRUPT != 0 {
        return Err(damaged("it is marked as corrupt"));
    }
    if !(9..=21).contains(&header.cluster_bits) {
        return Err(damaged("its cluster size is impossible"));
    }
    let cluster = 1u64 << header.cluster_bits;
    if header.refcount_order > 6 {
        return Err(damaged("its reference counts have an impossible width"));
    }
    if v3 && (header.header_len < 104 || !header.header_len.is_multiple_of(8)) {
        return Err(damaged("its header has an impossible length"));
    }
    if u64::from(header.header_len) > cluster.min(bytes.len) {
        return Err(damaged("its header is longer than its first cluster"));
    }
    if header.snapshots > SNAPSHOT_LIMIT {
        return Err(damaged("it has more snapshots than possible"));
    }
    Ok(header)
}

/// Backing format and external data file from the header extensions.
fn extensions(
    bytes: &Bytes<'_>,
    header: &Header,
    cluster: u64,
) -> Result<(Option<String>, Option<String>), Rejected> {
    let (mut backing_format, mut data_file) = (None, None);
    // Extensions end where the backing file's name begins, or with the first cluster.
    let end = if header.backing_offset != 0 { header.backing_offset.min(cluster) } else { cluster };
    let end = end.min(bytes.len);
    let mut at = u64::from(header.header_len);
    // A version 2 file may have been made before extensions existed: then a zero or the name follows at once.
    while at + 8 <= end {
        let head = bytes.at(Format::Qcow2, "a header extension", at, 8)?;
        let (kind, len) = (be32(&head, 0), u64::from(be32(&head, 4)));
        if kind == 0 {
            break;
        }
        if len > end - at - 8 {
            return Err(damaged("a header extension is longer than the header"));
        }
        if matches!(kind, EXT_BACKING_FORMAT | EXT_DATA_FILE) {
            if len > 1023 {
                return Err(damaged("a name in its header is too long"));
            }
            let text = bytes.at(Format::Qcow2, "a header extension", at + 8, len as usize)?;
            let text = Some(String::from_utf8_lossy(&text).into_owned());
            if kind == EXT_BACKING_FORMAT { backing_format = text } else { data_file = text }
        }
        at += 8 + len.next_multiple_of(8);
    }
    Ok((backing_format, data_file))
}

fn tables(bytes: &Bytes<'_>, header: &Header, cluster: u64, dirty: bool) -> Result<(), Rejected> {
    // An L2 table fills one cluster; with extended L2 its entries are twice as wide.
    let entry_bytes = if header.incompatible & EXTENDED_L2 != 0 { 16 } else { 8 };
    let covered_by_one = cluster.saturating_mul(cluster / entry_bytes);
    let l1_bytes = u64::from(header.l1_entries) * 8;
    if l1_bytes > L1_LIMIT_BYTES {
        return Err(damaged("its first-level table is larger than any disk needs"));
    }
    if u64::from(header.l1_entries) < header.size.div_ceil(covered_by_one) {
        return Err(damaged("its first-level table is too small for its size"));
    }
    table(bytes, "the first-level table", header.l1_offset, l1_bytes, cluster)?;

    let refcount_bytes = u64::from(header.refcount_clusters) * cluster;
    if header.refcount_clusters == 0 || refcount_bytes > REFCOUNT_TABLE_LIMIT_BYTES {
        return Err(damaged("its reference count table has an impossible size"));
    }
    let blocks = table(bytes, "the reference count table", header.refcount_offset, refcount_bytes, cluster)?;
    // Counts of a dirty image may be stale: they say nothing about where the file should end.
    if dirty { Ok(()) } else { counted_clusters_are_there(bytes, header, cluster, &blocks) }
}

/// One table of offsets: aligned, inside the file, and what it points to as well (as far as it is looked at).
fn table(bytes: &Bytes<'_>, what: &str, offset: u64, len: u64, cluster: u64) -> Result<Vec<u8>, Rejected> {
    if len == 0 {
        return Ok(Vec::new());
    }
    if offset == 0 || !offset.is_multiple_of(cluster) {
        return Err(damaged(&format!("{what} is at an impossible place")));
    }
    if offset.checked_add(len).is_none_or(|end| end > bytes.len) {
        return Err(Rejected::Truncated {
            format: Format::Qcow2,
            what: format!("{what} is not in the file"),
        });
    }
    let look = bytes.at(Format::Qcow2, what, offset, len.min(LOOK_BYTES) as usize)?;
    for entry in look.chunks_exact(8) {
        let target = be64(entry, 0) & OFFSET_MASK;
        if target >= bytes.len && target != 0 {
            let what = format!("{what} points to byte {target}, the file has {}", bytes.len);
            return Err(Rejected::Truncated { format: Format::Qcow2, what });
        }
    }
    Ok(look)
}

/// A cluster that is counted as used but begins behind the end of the file was cut off. This finds a file
/// that was not copied to its end at the price of one block, whatever the size of the disk.
fn counted_clusters_are_there(
    bytes: &Bytes<'_>,
    header: &Header,
    cluster: u64,
    blocks: &[u8],
) -> Result<(), Rejected> {
    let bits = 1u64 << header.refcount_order;
    let per_block = cluster * 8 / bits;
    let first_missing = bytes.len.div_ceil(cluster);
    let block_at = usize::try_from(first_missing / per_block * 8).unwrap_or(usize::MAX);
    if block_at >= blocks.len() {
        return Ok(());
    }
    let offset = be64(blocks, block_at) & OFFSET_MASK;
    if offset == 0 {
        return Ok(());
    }
    let block = bytes.at(Format::Qcow2, "a reference count block", offset, cluster as usize)?;
    // Widths below one byte: a whole byte is skipped, the clusters that share it are not looked at.
    let from = ((first_missing % per_block) * bits).div_ceil(8) as usize;
    if block.get(from..).is_some_and(|rest| rest.iter().any(|b| *b != 0)) {
        let what = format!("clusters in use lie behind its end at byte {}", bytes.len);
        return Err(Rejected::Truncated { format: Format::Qcow2, what });
    }
    Ok(())
}

/// Whether the file can serve as a base as it is: nothing in it but the disk.
pub(crate) fn is_flat(image: &Image) -> bool {
    image.format == Format::Qcow2
        && image.backing.is_none()
        && image.data_files.is_empty()
        && image.encryption.is_none()
        && image.internal_snapshots == 0
        && !image.dirty
}

fn damaged(what: &str) -> Rejected {
    Rejected::Damaged { format: Format::Qcow2, what: what.into() }
}

fn unsupported(what: String) -> Rejected {
    Rejected::UnsupportedFeature { format: Format::Qcow2, what: shown(&what) }
}
