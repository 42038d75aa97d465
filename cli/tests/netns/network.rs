//! Three network namespaces in a row, joined by two links: sender, router, listener.
//!
//! ```text
//! sender 10.77.1.2 ---- 10.77.1.1 router 10.77.2.1 ---- 10.77.2.2 listener
//! ```
//!
//! Nothing of it is seen outside, so any number of them stand side by side. They go with their
//! value, and those of a process that was killed with the next one's first.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{self, Command};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const PREFIX: &str = "peer-sender";
/// Where the listener is.
pub(crate) const LISTENER: &str = "10.77.2.2:4433";
/// Where the router takes datagrams that are not routed but relayed.
pub(crate) const RELAY: &str = "10.77.1.1:4433";
/// From where it sends them on.
const RELAY_BACK: &str = "10.77.2.1:0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Sender,
    Router,
    Listener,
}

const ALL: [At; 3] = [At::Sender, At::Router, At::Listener];

/// See the module.
pub(crate) struct Network {
    name: String,
}

impl Network {
    /// None, and a word why, where there can be no namespaces: without root, or without the tools.
    pub(crate) fn new() -> Option<Self> {
        match Self::build() {
            Ok(network) => Some(network),
            Err(error) => {
                // Not by a macro, whose output nobody sees of a test that passes.
                let _ = writeln!(io::stderr(), "skipped: no network namespaces: {error}");
                None
            }
        }
    }

    fn build() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // The first namespace of a machine prepares the folder for all others.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _alone = ONE_AT_A_TIME.lock();
        sweep()?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let network = Self {
            name: format!("{PREFIX}-{}-{count}", process::id()),
        };
        for at in ALL {
            run("ip", ["netns", "add", &network.namespace(at)])?;
        }
        let [sender, router, listener] = ALL.map(|at| network.namespace(at));
        for line in [
            format!("link add s0 netns {sender} type veth peer name r0 netns {router}"),
            format!("link add l0 netns {listener} type veth peer name r1 netns {router}"),
            format!("-n {sender} address add 10.77.1.2/24 dev s0"),
            format!("-n {router} address add 10.77.1.1/24 dev r0"),
            format!("-n {router} address add 10.77.2.1/24 dev r1"),
            format!("-n {listener} address add 10.77.2.2/24 dev l0"),
            // One datagram is one packet on each link, so that one fault hits one datagram.
            format!("-n {sender} link set s0 gso_max_segs 1 up"),
            format!("-n {router} link set r0 up"),
            format!("-n {router} link set r1 up"),
            format!("-n {listener} link set l0 gso_max_segs 1 up"),
            format!("-n {sender} route add default via 10.77.1.1"),
            format!("-n {listener} route add default via 10.77.2.1"),
        ] {
            run("ip", line.split(' '))?;
        }
        network.try_run(At::Router, "sysctl -q -w net.ipv4.ip_forward=1")?;
        for rule in [
            "nft add table inet faults",
            "nft add chain inet faults forward { type filter hook forward priority 0 ; }",
        ] {
            network.try_run(At::Router, rule)?;
        }
        network.try_run(At::Router, &bandwidth(1_000))?;
        Ok(network)
    }

    fn namespace(&self, at: At) -> String {
        let place = match at {
            At::Sender => "s",
            At::Router => "r",
            At::Listener => "l",
        };
        format!("{}-{place}", self.name)
    }

    /// Something to be run there.
    pub(crate) fn command(&self, at: At, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(at)]);
        command.arg(program);
        command
    }

    fn try_run(&self, at: At, line: &str) -> io::Result<()> {
        let namespace = self.namespace(at);
        run(
            "ip",
            ["netns", "exec", &namespace]
                .into_iter()
                .chain(line.split(' ')),
        )
    }

    fn run(&self, at: At, line: &str) {
        self.try_run(at, line).expect("what worked before");
    }

    /// What the link to the listener carries, in megabits a second (a token bucket).
    pub(crate) fn bandwidth(&self, megabits: u32) {
        self.run(At::Router, &bandwidth(megabits));
    }

    /// Of a hundred packets in each direction the router drops so many.
    pub(crate) fn lose(&self, percent: u32) {
        let rule = format!("numgen random mod 100 < {percent} drop");
        self.run(
            At::Router,
            &format!("nft add rule inet faults forward {rule}"),
        );
    }

    /// The router drops all that comes from the listener.
    pub(crate) fn silence_listener(&self) {
        let rule = "nft add rule inet faults forward iifname r1 drop";
        self.run(At::Router, rule);
    }

    /// The router drops nothing any more.
    pub(crate) fn drop_nothing(&self) {
        self.run(At::Router, "nft flush chain inet faults forward");
    }

    /// Takes the link to the listener down, or up again.
    pub(crate) fn link(&self, up: bool) {
        let state = if up { "up" } else { "down" };
        self.run(At::Router, &format!("ip link set r1 {state}"));
    }

    /// The largest packet, in bytes, that the link to the listener carries from now on.
    pub(crate) fn mtu(&self, bytes: u32) {
        self.run(At::Router, &format!("ip link set r1 mtu {bytes}"));
        self.run(At::Listener, &format!("ip link set l0 mtu {bytes}"));
    }

    /// How many packets the router dropped because they did not fit through a link.
    pub(crate) fn too_large(&self) -> u64 {
        let counters = self
            .command(At::Router, "cat")
            .arg("/proc/net/snmp")
            .output();
        let counters = String::from_utf8(counters.expect("it runs").stdout).expect("text");
        // A line of names, and one of their values.
        let mut lines = counters.lines().filter(|line| line.starts_with("Ip:"));
        let (names, values) = (lines.next(), lines.next());
        let names = names.into_iter().flat_map(str::split_whitespace);
        let mut pairs = names.zip(values.into_iter().flat_map(str::split_whitespace));
        let failed = pairs.find(|(name, _)| *name == "FragFails");
        failed.expect("it is counted").1.parse().expect("a number")
    }

    /// Sockets of a relay at the router: the one that is sent to, and the one that sends on.
    pub(crate) fn relay_sockets(&self) -> [UdpSocket; 2] {
        let namespace = Path::new("/run/netns").join(self.namespace(At::Router));
        let namespace = File::open(namespace).expect("a namespace has a file");
        // A socket belongs to the namespace of the thread that made it.
        let bind = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("root may do so");
            [RELAY, RELAY_BACK].map(|at| UdpSocket::bind(at).expect("the address is free"))
        };
        thread::spawn(bind).join().expect("it has bound")
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for at in ALL {
            // One that was never made cannot be taken away.
            let _ = run("ip", ["netns", "delete", &self.namespace(at)]);
        }
    }
}

pub(crate) fn listener() -> SocketAddr {
    LISTENER.parse().expect("an address")
}

fn bandwidth(megabits: u32) -> String {
    format!("tc qdisc replace dev r1 root tbf rate {megabits}mbit burst 64kb latency 50ms")
}

/// Takes away what processes left that are no more.
fn sweep() -> io::Result<()> {
    let Ok(names) = fs::read_dir("/run/netns") else {
        return Ok(());
    };
    for name in names {
        let name = name?.file_name();
        let Some(name) = name.to_str() else { continue };
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|it| it.split('-').nth(1));
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another process may be faster.
            let _ = run("ip", ["netns", "delete", name]);
        }
    }
    Ok(())
}

/// Its error says what failed, in the program's own words.
fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    let mut command = Command::new(program);
    let ran = command
        .args(arguments)
        .output()
        .map_err(|error| io::Error::other(format!("{program}: {error}")))?;
    match ran.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&ran.stderr);
            Err(io::Error::other(format!("{command:?}: {}", said.trim())))
        }
    }
}
