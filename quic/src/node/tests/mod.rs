//! Whole nodes against each other, with real QUIC and real TLS, in virtual time.

mod acki_nacki;
mod authority;
mod both_ways;
mod delivery;
mod dialling;
mod end;
mod fairness;
mod framed;
mod hostile;
mod identity;
mod lanes;
mod leaving;
mod limits;
mod loss;
mod masquerade;
mod moving;
mod nodes;
mod plain;
mod priorities;
mod probation;
mod records;
mod renewal;
mod replies;
mod stopping;
mod traces;
mod world;

#[test]
fn a_node_may_move_between_threads() {
    fn assert_send<T: Send>() {}
    assert_send::<super::NodeMachine<String>>();
}
