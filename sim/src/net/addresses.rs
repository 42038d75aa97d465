//! Where nodes stand, and where others take them to stand.

use std::net::SocketAddr;

use super::host::Dialled;
use super::op::Place;
use super::report::Fault;
use super::restarts::Meeting;
use super::settings::BadSettings;
use super::waits::Dialling;
use super::world::World;

/// The port that nodes begin with.
pub(super) const PORT: u16 = 4_433;

/// Each node has a network of its own, and in it as many addresses as it likes.
pub(super) fn address_v6(place: Place, given: u16) -> SocketAddr {
    SocketAddr::from(([0xfd00, 0, 0, u16::from(place), 0, 0, 0, given + 1], PORT))
}

impl World<'_> {
    /// Others see a node at an address that nobody has had; what is under way to the old one is
    /// lost.
    pub(super) fn readdress(&mut self, place: Place, same_host: bool) {
        self.addresses_given += 1;
        let [high, low] = self.addresses_given.to_be_bytes();
        let host = &mut self.hosts[usize::from(place)];
        self.names.remove(&host.address);
        host.address = match same_host {
            true => SocketAddr::new(host.address.ip(), 20_000 + self.addresses_given % 40_000),
            false => SocketAddr::from(([10, 1, high, low], PORT)),
        };
        self.names.insert(host.address, place);
        self.owners.insert(host.address, place);
        // A NAT is between addresses of the older family.
        if let (false, Some(v6)) = (same_host, &mut host.address_v6) {
            self.names.remove(v6);
            *v6 = address_v6(place, self.addresses_given);
            self.names.insert(*v6, place);
            self.owners.insert(*v6, place);
        }
    }

    /// Where a node reaches the nodes of a peer.
    fn addresses(&self, from: Place, to: Place) -> Vec<SocketAddr> {
        let nodes = self.setup.settings.nodes_of(to).into_iter();
        let nodes = nodes.filter_map(|it| self.hosts.get(usize::from(it)));
        let own = self.hosts.get(usize::from(from));
        nodes
            .flat_map(|it| own.map(|own| own.addresses_of(it)).unwrap_or_default())
            .collect()
    }

    /// A user adds a peer; what was left of it is removed.
    pub(super) fn dial(&mut self, from: Place, to: Place) -> Result<(), BadSettings> {
        let addresses = self.addresses(from, to);
        let dialling = Dialling::of(addresses.len());
        let config = self
            .setup
            .peer(to, addresses)
            .map_err(|error| BadSettings {
                field: error.field,
                problem: error.problem.to_owned(),
            })?;
        let host = &mut self.hosts[usize::from(from)];
        let now = host.clock.read(self.now);
        let Some(node) = &mut host.node else {
            return Ok(());
        };
        if let Some(last) = host.dialled.get(&to) {
            // One whose end was not told is left alone: its messages have no outcome yet.
            if !last.stopped {
                return Ok(());
            }
            node.remove_peer(last.handle);
        }
        if let Ok(handle) = node.add_peer(now, u64::from(to), config) {
            let dialled = Dialled {
                handle,
                stops_by: None,
                stopped: false,
                dialling,
                reached: None,
                reaching: None,
                address: None,
                meeting: Meeting::default(),
            };
            host.dialled.insert(to, dialled);
        }
        self.touch(from);
        Ok(())
    }

    pub(super) fn move_node(&mut self, place: Place) {
        let Some(host) = self.hosts.get(usize::from(place)) else {
            return;
        };
        let up = host.is_up();
        self.report.faults.count(Fault::Moved);
        self.readdress(place, false);
        let host = &mut self.hosts[usize::from(place)];
        let now = host.clock.read(self.now);
        if let (true, Some(node)) = (up, &mut host.node) {
            node.network_changed(now);
            self.touch(place);
        }
        for from in 0..self.setup.settings.nodes {
            self.tell_addresses(from, place, true);
        }
    }

    pub(super) fn tell_addresses(&mut self, from: Place, to: Place, known: bool) {
        let to = self.setup.settings.process_of(to);
        let mut addresses = self.addresses(from, to);
        let Some(host) = self.hosts.get_mut(usize::from(from)) else {
            return;
        };
        let now = host.clock.read(self.now);
        if let (Some(node), Some(dialled)) = (&mut host.node, host.dialled.get_mut(&to)) {
            if !known {
                self.report.faults.count(Fault::NoAddress);
                addresses.clear();
            }
            dialled.dialling.places = addresses.len();
            node.set_addresses(now, dialled.handle, addresses);
            self.touch(from);
        }
    }
}
