//! `hostler vm console` and `hostler vm ssh`: to use a machine.

use std::io::{IsTerminal, Read};
use std::process::Command;
use std::time::Duration;

use clap::Args;
use hostler_client::{Console, ConsoleClosed};
use hostler_model::console::{ConsoleEnd, ConsoleKind, NewConsoleTicket};
use hostler_model::view::GuestAddress;
use tokio::sync::mpsc;

use crate::cli::failure::{Failure, JOB_FAILED, NOT_ALLOWED, NOT_FOUND, REFUSED, UNREACHABLE};
use crate::cli::here::Here;
use crate::cli::show::{note, out};

pub(super) const CONSOLE_EXAMPLES: &str = "Examples:
  hostler vm console web-1
  hostler vm console web-1 --serial
  echo 'df -h' | hostler vm console web-1 --serial

Without --serial it writes the address of the console's page: screen, keyboard and pointer are for a browser.
With --serial the terminal becomes the machine's serial port, beginning with what was written since it was powered on.
Ctrl-] closes it. On a machine that is off it waits for its start. Where standard input is no terminal, it is typed as it
is, and the command ends when the machine has written nothing for two seconds after its end.";

pub(super) const SSH_EXAMPLES: &str = "Examples:
  hostler vm ssh web-1
  hostler vm ssh web-1 --user root -- uptime
  hostler vm ssh web-1 -- -p 2222 -L 8080:localhost:80

The address is what the guest's agent tells. What stands behind -- goes to ssh as it is.";

/// Closes the console: Ctrl-].
const ESCAPE: u8 = 0x1d;
/// After the end of standard input: how long the machine may be silent.
const SILENCE: Duration = Duration::from_secs(2);
/// How much is typed at a time.
const PART_BYTES: usize = 4096;

/// Which console of which machine.
#[derive(Args)]
pub struct Open {
    /// Which
    vm: String,
    /// The serial port, in this terminal
    #[arg(long)]
    serial: bool,
    /// Only look: nothing that is typed reaches the machine
    #[arg(long, requires = "serial")]
    view_only: bool,
}

/// Whom to be in which guest.
#[derive(Args)]
pub struct Ssh {
    /// Which
    vm: String,
    /// As this user; as ssh decides where absent
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// At this address, whatever the guest's agent tells
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// What else to tell ssh: options, and what to run
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

pub(super) async fn console(here: &Here, open: Open) -> Result<(), Failure> {
    let client = here.client()?;
    if !open.serial {
        let id = client.vm(&open.vm, None).await?.vm.id;
        return out(format!("{}/machines/{id}/console\n", client.server()));
    }
    let wanted = NewConsoleTicket { kind: ConsoleKind::Serial, view_only: open.view_only };
    let console = client.open_console(&open.vm, wanted).await?;
    let somebody = std::io::stdin().is_terminal();
    if somebody {
        here.say(format!("Serial port of {}. Ctrl-] closes it.", open.vm));
    }
    let ended = {
        let _raw = somebody.then(Raw::begin).transpose()?;
        joined(console, typed(somebody), somebody).await
    };
    match ended {
        Ok(()) => {
            if somebody {
                here.say("\nClosed.");
            }
            Ok(())
        }
        Err(Ended::Here(failure)) => Err(failure),
        Err(Ended::Closed(closed)) => {
            note(format!("error: the console was closed: {}", closed.reason));
            Err(Failure::Said(match closed.end {
                Some(ConsoleEnd::Revoked | ConsoleEnd::TicketNotGood) => NOT_ALLOWED,
                Some(ConsoleEnd::MachineGone) => NOT_FOUND,
                Some(ConsoleEnd::HostNotAnswering | ConsoleEnd::Refused) => REFUSED,
                Some(ConsoleEnd::TooSlow | ConsoleEnd::TurnedOff) => JOB_FAILED,
                None => UNREACHABLE,
            }))
        }
    }
}

/// The terminal gives each key as it is pressed; when dropped, as before.
struct Raw;

impl Raw {
    fn begin() -> Result<Self, Failure> {
        let made = crossterm::terminal::enable_raw_mode();
        made.map(|()| Self).map_err(|cause| Failure::Here(format!("terminal: {cause}")))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

/// What comes from standard input, up to its end or to the escape. The thread ends with the program: nothing wakes a read
/// of a terminal.
fn typed(somebody: bool) -> mpsc::Receiver<Vec<u8>> {
    let (give, take) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut part = [0; PART_BYTES];
        while let Ok(some) = std::io::stdin().lock().read(&mut part) {
            let said = &part[..some];
            let escape = said.iter().position(|byte| somebody && *byte == ESCAPE);
            let said = &said[..escape.unwrap_or(some)];
            if !said.is_empty() && give.blocking_send(said.to_vec()).is_err() {
                return;
            }
            if some == 0 || escape.is_some() {
                return;
            }
        }
    });
    take
}

/// Why it ended, where nobody wanted it.
enum Ended {
    Closed(ConsoleClosed),
    Here(Failure),
}

async fn joined(
    mut console: Console,
    mut typed: mpsc::Receiver<Vec<u8>>,
    somebody: bool,
) -> Result<(), Ended> {
    let mut open = true;
    loop {
        let shown = async {
            match open {
                true => Some(console.next().await),
                false => tokio::time::timeout(SILENCE, console.next()).await.ok(),
            }
        };
        let said = tokio::select! {
            shown = shown => match shown {
                Some(Ok(bytes)) => {
                    out(bytes).map_err(Ended::Here)?;
                    continue;
                }
                Some(Err(closed)) => return Err(Ended::Closed(closed)),
                None => None,
            },
            said = typed.recv(), if open => match said {
                None if !somebody => {
                    open = false;
                    continue;
                }
                said => said,
            },
        };
        match said {
            // Why it could not be typed is told by what the machine shows next.
            Some(said) => drop(console.send(said).await),
            None => {
                console.close().await;
                return Ok(());
            }
        }
    }
}

pub(super) async fn ssh(here: &Here, ssh: Ssh) -> Result<(), Failure> {
    let address = match ssh.address {
        Some(address) => address,
        None => {
            let told = here.client()?.vm_addresses(&ssh.vm).await?;
            reachable(&told).ok_or_else(|| {
                let cause = format!("{}: its guest tells no address", ssh.vm);
                Failure::usage(cause, "Say it: --address ADDRESS")
            })?
        }
    };
    if address.starts_with('-') {
        return Err(Failure::usage(format!("\"{address}\" is no address"), "Write a name or an IP address"));
    }
    let mut command = Command::new("ssh");
    if let Some(user) = ssh.user {
        command.args(["-l", &user]);
    }
    command.arg(address).args(ssh.args);
    become_it(command)
}

/// From here on the terminal is the other program's.
#[cfg(unix)]
fn become_it(mut command: Command) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;
    let cause = command.exec();
    Err(Failure::Here(format!("ssh: {cause}")))
}

#[cfg(not(unix))]
fn become_it(mut command: Command) -> Result<(), Failure> {
    let ended = command.status().map_err(|cause| Failure::Here(format!("ssh: {cause}")))?;
    let code = ended.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(JOB_FAILED);
    if code == 0 { Ok(()) } else { Err(Failure::Said(code)) }
}

/// The address that is most likely to be reached from elsewhere.
fn reachable(told: &[GuestAddress]) -> Option<String> {
    use std::net::IpAddr;
    let of_others = |address: &IpAddr| match address {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local(),
    };
    let mut all: Vec<IpAddr> = told.iter().map(|one| one.address).filter(of_others).collect();
    all.sort_by_key(IpAddr::is_ipv6);
    all.first().map(IpAddr::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_goes_to_an_address_that_others_can_reach_and_first_to_one_of_ipv4() {
        let told = |addresses: &[&str]| -> Vec<GuestAddress> {
            let one = |address: &&str| GuestAddress {
                interface: "eth0".into(),
                mac: None,
                address: address.parse().unwrap(),
                prefix: 24,
            };
            addresses.iter().map(one).collect()
        };
        let of = |addresses: &[&str]| reachable(&told(addresses));
        assert_eq!(of(&["127.0.0.1", "fe80::1", "2001:db8::5", "10.0.0.5"]).as_deref(), Some("10.0.0.5"));
        assert_eq!(of(&["169.254.3.4", "2001:db8::5"]).as_deref(), Some("2001:db8::5"));
        assert_eq!(of(&["::1", "127.0.0.1"]), None);
    }
}
