//! What Wireshark's command, tshark, reads in a capture.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, process};

/// Our port, so that tshark knows what is spoken on it.
pub(crate) const PORT: u16 = 4_433;

/// What both ends said on a stream: who dialled, and who listened.
pub(crate) type Said = [Vec<u8>; 2];

/// A capture as a file, which goes with its value.
pub(crate) struct Shark {
    file: PathBuf,
}

impl Shark {
    /// None, and a word why, where there is no tshark.
    pub(crate) fn new(name: &str, capture: &[u8]) -> Option<Self> {
        let asked = Command::new("tshark")
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            // Not by a macro, whose output nobody sees of a test that passes.
            let _ = writeln!(io::stderr(), "skipped: there is no tshark that runs");
            return None;
        }
        let name = format!("{name}-{}.pcapng", process::id());
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&file, capture).unwrap();
        Some(Self { file })
    }

    /// These fields of every packet.
    pub(crate) fn fields(&self, names: &[&str]) -> Vec<Vec<String>> {
        let mut arguments = vec!["-T", "fields", "-E", "separator=;"];
        arguments.extend(names.iter().flat_map(|name| ["-e", name]));
        let text = self.run(&arguments);
        let lines = text.lines();
        lines
            .map(|line| line.split(';').map(str::to_owned).collect())
            .collect()
    }

    /// What was said on these streams of the first connection.
    pub(crate) fn streams<const N: usize>(&self, ids: [u64; N]) -> BTreeMap<u64, Said> {
        let wanted = ids.map(|id| format!("follow,quic,raw,0,{id}"));
        let mut arguments = vec!["-q"];
        arguments.extend(wanted.iter().flat_map(|it| ["-z", it]));
        let text = self.run(&arguments);
        let mut streams: BTreeMap<u64, Said> =
            ids.into_iter().map(|id| (id, Said::default())).collect();
        let mut id = None;
        for line in text.lines() {
            if let Some(filter) = line.strip_prefix("Filter: ") {
                let number = filter.rsplit(' ').next().unwrap();
                id = Some(number.parse::<u64>().unwrap());
                continue;
            }
            // What the listening end said is set in by a tab.
            let (end, digits) = match line.strip_prefix('\t') {
                Some(digits) => (1, digits),
                None => (0, line),
            };
            if let (Some(id), Some(bytes)) = (id, from_hex(digits)) {
                streams.get_mut(&id).unwrap()[end].extend(bytes);
            }
        }
        streams
    }

    fn run(&self, arguments: &[&str]) -> String {
        let ran = Command::new("tshark")
            .args([
                "-n",
                "-o",
                "ip.check_checksum:TRUE",
                "-o",
                "udp.check_checksum:TRUE",
            ])
            .args(["-d", &format!("udp.port=={PORT},quic"), "-r"])
            .arg(&self.file)
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "tshark {arguments:?}: {said}");
        String::from_utf8(ran.stdout).unwrap()
    }
}

impl Drop for Shark {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

/// None for whatever else tshark says between the lines of bytes.
fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    digits
        .len()
        .is_multiple_of(2)
        .then(|| pairs.map(byte).collect())?
}
