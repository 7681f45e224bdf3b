//! Builds the console, whose files the program then holds. Nothing is done where what was built is newer than all that
//! it is made of.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::trouble::Trouble;
use crate::{commands, tree};

/// What the console is made of, below `web/`.
const SOURCES: [&str; 6] = ["src", "public", "scripts", "index.html", "package-lock.json", "vite.config.ts"];
/// The documentation goes beside it, where it was built.
const SITE: &str = "site/index.html";

/// Builds it where that is needed. Without Node the program is built without the console, which is said.
///
/// # Errors
/// When npm fails.
pub fn build() -> Result<(), Trouble> {
    let web = tree::top().join("web");
    if !needs_building(&web, &tree::target().join(SITE)) {
        return Ok(());
    }
    if commands::find_program("npm").is_none() {
        println!(
            "Node is not installed: the program is built without the console (its REST interface is all there)."
        );
        return Ok(());
    }
    let installed = changed(&web.join("node_modules/.package-lock.json"));
    if installed.is_none() || installed < changed(&web.join("package-lock.json")) {
        npm(&["ci", "--no-audit", "--no-fund"])?;
    }
    npm(&["run", "build"])
}

fn npm(what: &[&str]) -> Result<(), Trouble> {
    let mut command = commands::command(&[&["npm", "--prefix", "web"], what].concat());
    commands::output(command.current_dir(tree::top())).map(drop)
}

fn needs_building(web: &Path, site: &Path) -> bool {
    let Some(built) = changed(&web.join("dist/index.html")) else { return true };
    let made_of = SOURCES.iter().map(|source| web.join(source)).chain([site.to_path_buf()]);
    made_of.into_iter().any(|source| newest(&source).is_some_and(|source| source > built))
}

/// The last change of a file, or of anything in a folder; none where there is nothing.
pub fn newest(path: &Path) -> Option<SystemTime> {
    let own = changed(path);
    let Ok(entries) = fs::read_dir(path) else { return own };
    entries.flatten().map(|entry| newest(&entry.path())).chain([own]).max().flatten()
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_console_is_built_when_there_is_none_or_something_is_newer_and_else_not() {
        let web = std::env::temp_dir().join(format!("hostler-web-{}", std::process::id()));
        let put = |name: &str, at: SystemTime| {
            let file = web.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::File::create(&file).unwrap().set_modified(at).unwrap();
        };
        let before = SystemTime::now() - Duration::from_secs(60);
        let ago = Duration::from_secs(30);
        put("src/pages/list.tsx", before);
        put("package-lock.json", before);
        let site = web.join("site/index.html");
        assert!(needs_building(&web, &site), "there is none");
        put("dist/index.html", SystemTime::now() + ago);
        assert!(!needs_building(&web, &site));
        put("site/index.html", SystemTime::now() + ago * 2);
        assert!(needs_building(&web, &site), "the documentation is newer");
        fs::remove_dir_all(web.join("site")).unwrap();
        put("src/pages/list.tsx", SystemTime::now() + ago * 2);
        assert!(needs_building(&web, &site), "a file deep down is newer");
        fs::remove_dir_all(&web).unwrap();
    }
}
