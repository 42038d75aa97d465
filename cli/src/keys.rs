//! Identities in files: `keys new`, `keys show`, and what `listen` and `send` read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use peer_sender_tokio::Identity;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;

use crate::Verdict;
use crate::args::{KeyFileArgs, KeysArgs, KeysCommand};
use crate::console;
use crate::failure::Failure;

pub(crate) fn run(args: KeysArgs) -> Result<Verdict, Failure> {
    match args.command {
        KeysCommand::New(args) => {
            let identity = make()?;
            write(&args.file, &identity)?;
            show(&args, &identity)?;
            if !args.json {
                console::say(&format!(
                    "to receive with it: peer-sender listen --bind 127.0.0.1:4433 --key {} --allow KEY_OF_THE_SENDER",
                    args.file.display(),
                ));
            }
        }
        KeysCommand::Show(args) => show(&args, &read(&args.file)?)?,
    }
    Ok(Verdict::AllIsWell)
}

/// A fresh identity, from the operating system's randomness.
pub(crate) fn make() -> Result<Identity, Failure> {
    let mut secret = [0; 32];
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| Failure::NoRandomness)?;
    Ok(Identity::from_secret(secret))
}

/// Reads an identity, and warns if others can read it too. Of a file that is no key nothing is
/// said but that.
pub(crate) fn read(file: &Path) -> Result<Identity, Failure> {
    let unreadable = |error| Failure::KeyFileUnreadable {
        file: file.to_owned(),
        error,
    };
    let open = File::open(file).map_err(unreadable)?;
    let mut pem = Vec::new();
    (&open)
        .take(FILE_BYTES_MAX)
        .read_to_end(&mut pem)
        .map_err(unreadable)?;
    let identity = Identity::from_pem(&String::from_utf8_lossy(&pem)).map_err(|error| {
        Failure::KeyFileMalformed {
            file: file.to_owned(),
            error,
        }
    })?;
    if others_may_read(&open).map_err(unreadable)? {
        let file = file.display();
        console::say(&format!(
            "warning: others can read the key {file}; mend it: chmod 600 {file}"
        ));
    }
    Ok(identity)
}

/// Far more than any key file has, so that a wrong name (a device, a film) is noticed soon.
const FILE_BYTES_MAX: u64 = 64 << 10;

#[derive(Serialize)]
struct Shown {
    file: String,
    key: String,
}

fn show(args: &KeyFileArgs, identity: &Identity) -> Result<(), Failure> {
    let shown = Shown {
        file: args.file.display().to_string(),
        key: identity.key().to_string(),
    };
    let text = match args.json {
        true => format!("{}\n", serde_json::json!(shown)),
        false => format!("{}: {}\n", shown.file, shown.key),
    };
    let rest = format!("to see the key: peer-sender keys show {}", shown.file);
    console::print(&text, &rest)
}

fn write(file: &Path, identity: &Identity) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    for_owner_only(&mut options);
    let mut created = options.open(file).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::KeyFileExists {
            file: file.to_owned(),
        },
        _ => Failure::KeyFileUnwritable {
            file: file.to_owned(),
            error,
        },
    })?;
    created
        .write_all(identity.to_pem().as_bytes())
        .and_then(|()| created.sync_all())
        .map_err(|error| {
            // Half a key would stand in the way of the next attempt and serve nobody.
            let _ = fs::remove_file(file);
            Failure::KeyFileUnwritable {
                file: file.to_owned(),
                error,
            }
        })
}

#[cfg(unix)]
fn for_owner_only(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600);
}

#[cfg(not(unix))]
fn for_owner_only(_: &mut OpenOptions) {}

#[cfg(unix)]
fn others_may_read(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn others_may_read(_: &File) -> io::Result<bool> {
    Ok(false)
}
