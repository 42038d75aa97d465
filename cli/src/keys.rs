//! Identities in files: `keys new` and `keys show`.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use peer_sender_tokio::{Identity, load_identity};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Serialize;
use zeroize::Zeroizing;

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
        KeysCommand::Show(args) => show(&args, &load_identity(&args.file)?)?,
    }
    Ok(Verdict::AllIsWell)
}

/// A fresh identity, from the operating system's randomness.
pub(crate) fn make() -> Result<Identity, Failure> {
    let mut secret = Zeroizing::new([0; 32]);
    SystemRandom::new()
        .fill(secret.as_mut())
        .map_err(|_| Failure::NoRandomness)?;
    Ok(Identity::from_secret(*secret))
}

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
