//! Scenarios of nodes, as text.

pub(super) const KILLED: &str = "
set layer quic
set nodes 3
set listen 0
set dial 1>0
set dial 2>0
set end 20s
at 1s send 1>0 lane 0 count 100 bytes 1000
at 1s send 2>0 lane 3 count 100 bytes 3
at 1010ms crash 0
at 2s restart 0
at 5s reply 0>1 lane 0 count 10 bytes 100
at 6s path *>0 loss 20.00%
at 6s send 2>0 lane 3 count 100 bytes 3000
";

pub(super) const CUT_SHORT: &str = "
set layer quic
set nodes 2
set listen 0
set dial 1>0
set end 10s
at 1s batch 1 50.00%
at 1s send 1>0 lane 0 count 20 bytes 60000
";

pub(super) const FLOODED: &str = "
set layer quic
set nodes 3
set listen 0
set dial 1>0
set dial 2>0
set handshakes_max 8
set end 20s
at 1s stranger 0 first-packets count 200 every 1ms
at 1010ms send 1>0 lane 0 count 100 bytes 1000
at 1050ms crash 2
at 1060ms restart 2
at 1070ms send 2>0 lane 0 count 100 bytes 1000
";

pub(super) const SWITCHED: &str = "
set layer quic
set nodes 2
set listen 0
set dial 1>0
set v6 0
set v6 1
set end 60s
at 1s send 1>0 lane 0 count 50 bytes 1000
at 1010ms path *>* family-cut v6
at 2s send 1>0 lane 0 count 50 bytes 1000
at 30s path *>* family-cut v4
at 31s send 1>0 lane 0 count 50 bytes 1000
";

pub(super) const SHARED: &str = "
set layer quic
set nodes 3
set listen 0
set listen 1
set dial 2>0
set share 1>0
set end 60s
at 1s send 2>0 lane 0 count 100 bytes 10000
at 1030ms path *>0 cut
at 2s send 2>0 lane 0 count 100 bytes 10000
at 30s path *>* joined
at 30s path *>1 cut
at 31s send 2>0 lane 0 count 100 bytes 10000
at 50s reply 0>2 lane 0 count 10 bytes 100
";

pub(super) const RESTARTED: &str = "
set layer quic
set nodes 2
set listen 0
set dial 1>0
set idle_timeout 10s
set end 40s
at 1s send 1>0 lane 0 count 10 bytes 1000
at 5s crash 0
at 5500ms restart 0
at 6s send 1>0 lane 0 count 10 bytes 1000
";

/// A seed, made small: a stranger sends something of an older connection in the dialler's name.
pub(super) const SPOOFED: &str = "
set layer quic
set seed 14738892158316249031
set crypto tls
set nodes 2
set listen 0
set dial 1>0
set end 22727257us
set backoff_max 105151us
set refusal_backoff_max 6698339us
set idle_timeout 10s
set disconnect_after 0s
set lanes 1
set queue_messages_max 8192
set flight_messages_max 153
set message_bytes_max 65536
set taken_bytes_max 1024
set inbound_bytes_max 67380
set inbound_bytes_total_max 118546
set connections_max 2
set handshakes_max 2
set sessions_max 4
set sessions_per_key_max 1
set segments 2
set socket 4
set plain no
set jitter no
set at_most_once yes
set drop_oldest no
set reports yes

at 13325709us crash 1
at 13325709us restart 1
at 13638304us send 1>0 lane 0 count 15 bytes 9
at 14034563us stranger 0 replays count 3 every 22us
at 16210670us crash 0
at 16210670us restart 0
at 17702276us stranger 0 resets count 1 every 204us
";

/// Another one: a dialler takes another connection id just before a reset of the one before comes.
pub(super) const ANOTHER_ID: &str = "
set layer quic
set seed 2505230777546562126
set crypto tls
set nodes 4
set listen 0
set listen 1
set dial 2>0
set dial 3>0
set share 1>0
set v6 0
set v6 1
set v6 3
set end 28849404us
set backoff_max 101537us
set refusal_backoff_max 5000004us
set idle_timeout 10s
set disconnect_after 5min
set lanes 4
set queue_messages_max 8192
set flight_messages_max 8192
set message_bytes_max 65536
set taken_bytes_max 1048576
set inbound_bytes_max 1048658
set inbound_bytes_total_max 536870912
set connections_max 4096
set handshakes_max 64
set sessions_max 4096
set sessions_per_key_max 16
set segments 6
set socket 7
set plain no
set jitter yes
set at_most_once no
set drop_oldest no
set reports yes

at 3829224us send 2>0 lane 1 count 31 bytes 1
at 8039285us crash 0
at 8039285us restart 0
at 10677902us send 2>0 lane 3 count 1 bytes 0
at 10682331us changed 2
";

/// As a fuzzer found it, made small.
pub(super) const REPLAYED: &str = "
set layer quic
set seed 6432523424138953197
set listen 0
set dial 1>0
set v6 0
set v6 1
set end 48829359us
set backoff_max 100ms
set refusal_backoff_max 5000001us
set idle_timeout 10s
set disconnect_after 1s
set lanes 4
set segments 13
set socket 4
at 5569909us send 1>0 lane 3 count 30 bytes 2568
at 7992909us reply 0>1 lane 3 count 13 bytes 1
at 7992926us send 1>0 lane 3 count 2 bytes 0
at 25154592us path 1>* cut
at 25276889us move 1
at 25442815us reply 0>1 lane 2 count 2 bytes 23566
at 25467891us send 1>0 lane 3 count 26 bytes 547
at 25594782us stranger 0 replays count 27 every 25us
";

pub(super) const NAMELESS: &str = "
set layer quic
set seed 10071215770140326615
set listen 0
set dial 1>0
set end 27183915us
set backoff_max 100015us
set refusal_backoff_max 5000290us
set idle_timeout 10s
set lanes 1
set segments 5
set socket 35
set reports yes
at 9686425us path *>0 cut
at 9948174us send 1>0 lane 0 count 22 bytes 0
at 10130410us crash 1
at 10492508us path *>0 joined
at 11132283us restart 1
at 17970440us reader 0 stopped
at 17977733us send 1>0 lane 0 count 31 bytes 0
at 18014287us crash 0
";

pub(super) const OVERTAKEN: &str = "
set layer quic
set seed 3697022194345475471
set crypto null
set nodes 3
set listen 0
set listen 1
set dial 2>0
set share 1>0
set v6 0
set v6 2
set end 35606444us
set backoff_max 1548988us
set refusal_backoff_max 5007469us
set idle_timeout 1000025us
set disconnect_after 0s
set lanes 3
set message_bytes_max 65536
set connections_max 1
set handshakes_max 3
set sessions_max 4
set sessions_per_key_max 1
set segments 1
set socket 4
set jitter yes
at 1037924us crash 0
at 2037924us restart 0
at 7851924us stranger 0 first-packets count 107 every 6us
at 7870023us addresses 2>0 no
at 7870023us addresses 2>0 yes
at 7917710us stranger 0 replays count 196 every 2us
at 11565272us trust 0 no
at 11575272us trust 0 yes
at 16305825us send 2>0 lane 1 count 6 bytes 1584
at 21148523us stranger 0 replays count 45 every 25us
at 22229523us stranger 0 first-packets count 1 every 0s
at 23140490us path 2>* cut
at 23184654us send 2>0 lane 0 count 4 bytes 1471
at 23309322us send 2>0 lane 2 count 1 bytes 0
at 23309322us send 2>0 lane 0 count 36 bytes 14
at 23363992us send 2>0 lane 0 count 4 bytes 244
at 23364681us stranger 0 replays count 3 every 3us
";
