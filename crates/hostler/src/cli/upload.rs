//! `hostler library-item upload`: a file of this computer into a library share, piece by piece. Cut off, it goes on by
//! itself; interrupted, the same command goes on where it was.

use std::fs::File;
use std::io::{IsTerminal, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use hostler_client::{Client, ClientError, How};
use hostler_model::Code;
use hostler_model::upload::{NewUpload, UploadView};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sha2::{Digest, Sha256};

use crate::cli::failure::{Failure, INTERRUPTED};
use crate::cli::follow::{Change, change};
use crate::cli::here::Here;
use crate::cli::show::note;
use crate::cli::values::shown_size;

/// How much is sent at a time. More loses more of a slow line's time when it is cut; less makes more of waiting.
const PIECE_BYTES: usize = 8 << 20;
/// How long it is tried to go on while nothing gets through.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long is waited before it is tried again: from the first to the last, doubling.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What is uploaded.
#[derive(Args, Clone, Debug)]
pub struct UploadArgs {
    /// Into which share
    #[arg(value_name = "SHARE")]
    share: String,
    /// Which file of this computer
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where in the share, with folders that are there; as the file is called where absent
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Do not wait for the refresh that lists it; its job's number is written
    #[arg(long)]
    no_wait: bool,
}

pub(super) async fn upload(here: &Here, args: UploadArgs) -> Result<(), Failure> {
    let client = here.client()?;
    let sending = async {
        let view = sent(here, &client, &args).await?;
        Ok::<_, Failure>(finished(&client, &view).await)
    };
    let finished = tokio::select! {
        sent = sending => sent?,
        _ = tokio::signal::ctrl_c() => {
            note("interrupted: the same command goes on where it was");
            return Err(Failure::Said(INTERRUPTED));
        }
    };
    let how = Change { no_wait: args.no_wait, ..Change::default() };
    change(here, &client, &how, finished).await
}

/// Sends what is missing of a file.
async fn sent(here: &Here, client: &Client, args: &UploadArgs) -> Result<UploadView, Failure> {
    let failed = |cause: std::io::Error| Failure::Here(format!("{}: {cause}", args.file.display()));
    let path = match &args.path {
        Some(path) => path.clone(),
        None => name_of(&args.file)?,
    };
    let mut file = File::open(&args.file).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(Failure::Here(format!("{}: it is no ordinary file", args.file.display())));
    }
    let size_bytes = meta.len();
    let bar = Bar::new(here, size_bytes);
    let mut sum = Sha256::new();
    let mut part = vec![0; PIECE_BYTES];
    let mut read = 0;
    loop {
        let some = file.read(&mut part).map_err(failed)?;
        if some == 0 {
            break;
        }
        sum.update(&part[..some]);
        read += some as u64;
        bar.at("read", read);
        // Ctrl-C is heard in between.
        tokio::task::yield_now().await;
    }
    let sha256 = sum.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    let wanted = NewUpload { path, size_bytes, sha256: Some(sha256) };
    let mut view = client.begin_upload(&args.share, &wanted).await?;
    if view.received_bytes > 0 {
        here.say(format!("{} have arrived already; going on from there", shown_size(view.received_bytes)));
    }
    let mut patience = Patience::default();
    while view.received_bytes < size_bytes {
        bar.at("sent", view.received_bytes);
        let left = usize::try_from(size_bytes - view.received_bytes).unwrap_or(usize::MAX);
        let piece = &mut part[..left.min(PIECE_BYTES)];
        file.seek(SeekFrom::Start(view.received_bytes))
            .and_then(|_| file.read_exact(piece))
            .map_err(failed)?;
        match client.put_upload(&view.id, view.received_bytes, piece.to_vec()).await {
            Ok(seen) => {
                patience = Patience::default();
                view = seen;
            }
            Err(error) if goes_on(&error) => {
                bar.said(&error.to_string());
                patience.wait(error).await?;
                // What had arrived of the piece counts.
                if let Ok(seen) = client.upload(&view.id).await {
                    if seen.received_bytes > view.received_bytes {
                        patience = Patience::default();
                    }
                    view = seen;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    bar.over();
    Ok(view)
}

/// Has the file named, and says which job reads the share anew.
async fn finished(client: &Client, view: &UploadView) -> Result<hostler_client::Changed, ClientError> {
    let mut patience = Patience::default();
    loop {
        match client.finish_upload(&view.id, &How::default()).await {
            Err(ClientError::Refused(refusal)) if refusal.code == Code::UploadVerifying => {
                patience = Patience::default();
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) if goes_on(&error) => match patience.wait(error).await {
                Ok(()) => {}
                Err(Failure::Client(error)) => return Err(error),
                Err(_) => {}
            },
            answered => return answered,
        }
    }
}

/// Whether it can go on by itself after this.
fn goes_on(error: &ClientError) -> bool {
    let passing = |code| matches!(code, Code::UploadOffsetWrong | Code::HostNotResponding | Code::ObjectBusy);
    match error {
        ClientError::Refused(refusal) => error.is_passing() || passing(refusal.code),
        error => error.is_passing(),
    }
}

/// How long it is tried again.
struct Patience {
    since: Instant,
    next: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { since: Instant::now(), next: AGAIN.0 }
    }
}

impl Patience {
    async fn wait(&mut self, error: ClientError) -> Result<(), Failure> {
        if self.since.elapsed() > PATIENCE {
            note("the same command goes on where it was");
            return Err(error.into());
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(AGAIN.1);
        Ok(())
    }
}

fn name_of(file: &Path) -> Result<String, Failure> {
    let name = file.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| {
        Failure::usage(format!("{}: it has no name that can be shown", file.display()), "Say one with --path")
    })
}

/// Progress for who sits there.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(here: &Here, bytes: u64) -> Self {
        let shown = !here.global.quiet && here.is_for_people() && std::io::stderr().is_terminal();
        Self(shown.then(|| {
            let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
            let style =
                "{msg} {binary_bytes} of {binary_total_bytes} [{bar:30}] {binary_bytes_per_sec} {eta}";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar
        }))
    }

    fn at(&self, what: &'static str, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.set_message(what);
            bar.set_position(bytes);
        }
    }

    fn said(&self, why: &str) {
        match &self.0 {
            Some(bar) => bar.suspend(|| note(format!("{why}; going on"))),
            None => note(format!("{why}; going on")),
        }
    }

    fn over(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.over();
    }
}
