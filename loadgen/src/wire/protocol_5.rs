//! Whether a Socket.IO server speaks protocol 5, as those of versions 3 and 4 do: it says so first in its CONNECT packet.

use serde::Deserialize;

/// What is said of a server of version 2, which speaks Socket.IO protocol 4 over Engine.IO protocol 3 and lets everybody in at once.
pub const NO_SID: &str = "a CONNECT packet without `sid`, as a Socket.IO server of version 2 sends it: expected one of version 3 or 4 (Socket.IO \
                          protocol 5)";

/// True of the data of a CONNECT packet that gives the session's `sid`.
pub fn is_of_protocol_5(data: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Connected {
        #[serde(rename = "sid")]
        _sid: String,
    }
    serde_json::from_slice::<Connected>(data).is_ok()
}
