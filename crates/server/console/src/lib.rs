//! The console's files, as `npm run build` in `web/` leaves them, inside the program: what a browser is given comes from
//! the server and from nowhere else, and the program is one file. It must not read a disk at run time, speak HTTP, or
//! know of the inventory. `hostler-api` serves the files.

/// A file of the console.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Its path below `/`, without a slash before it.
    pub path: &'static str,
    /// Of its content, in quotes, as the header has it.
    pub etag: &'static str,
    /// Its content.
    pub plain: &'static [u8],
    /// Its content, packed by brotli.
    pub brotli: Option<&'static [u8]>,
    /// Its content, packed by gzip.
    pub gzip: Option<&'static [u8]>,
}

/// Every file; none where the console was not built before the program.
pub const FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

impl File {
    /// Its media type.
    pub fn kind(&self) -> &'static str {
        match self.path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("json") => "application/json",
            Some("svg") => "image/svg+xml",
            Some("png") => "image/png",
            Some("webp") => "image/webp",
            Some("ico") => "image/x-icon",
            Some("woff2") => "font/woff2",
            Some("woff") => "font/woff",
            Some("txt") => "text/plain; charset=utf-8",
            _ => "application/octet-stream",
        }
    }

    /// Whether its name says what is in it, so that it never has to be asked for again.
    pub fn is_hashed(&self) -> bool {
        self.path.starts_with("assets/")
    }
}
