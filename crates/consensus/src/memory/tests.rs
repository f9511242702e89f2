//! The bound follows the settings.

use crate::{memory_bound, tests::config_of};

#[test]
fn four_members_fit_the_idle_goal() {
    let bound = memory_bound(&config_of(4));
    // The goal for an idle member is 120 MB, of which consensus may reserve a tenth.
    assert!(bound.reserved_bytes < 12 * 1024 * 1024, "{bound}");
    assert!(bound.reserved_bytes < bound.ordinary_bytes && bound.ordinary_bytes < bound.most_bytes);
    assert_eq!(bound.channels.len(), 8);
    // Queues full of the longest messages fit an ordinary machine.
    assert!(bound.most_bytes < 5 * 1024 * 1024 * 1024 + 64 * 1024 * 1024, "{bound}");
    // Burst 64 of votes, room for twice four members, one peer set.
    assert_eq!((bound.channels[0].name, bound.channels[0].slots), ("votes", 64 * 8));
    let told = bound.to_string();
    assert!(told.contains("MiB reserved") && told.contains("gossip 512"), "{told}");
}

#[test]
fn no_channel_takes_more_than_the_network_lets_through() {
    for members in [1, 4, 16, 64] {
        let most = crate::message_bytes_max(members) as usize;
        let greatest = crate::network::CHANNELS.map(|channel| channel.greatest(members));
        assert!(greatest.iter().all(|bytes| *bytes <= most), "{greatest:?} of {most}");
        assert!(greatest[0] < 16 * 1024, "votes and certificates are short");
    }
}

#[test]
fn every_setting_moves_the_bound() {
    let four = memory_bound(&config_of(4));
    assert!(memory_bound(&config_of(16)).reserved_bytes > four.reserved_bytes);
    let mut config = config_of(4);
    config.sizes.mailbox *= 2;
    assert!(memory_bound(&config).reserved_bytes > four.reserved_bytes);
    let mut config = config_of(4);
    config.sizes.cache_pages *= 2;
    assert!(memory_bound(&config).reserved_bytes > four.reserved_bytes);
    let mut config = config_of(4);
    config.sizes.write_buffer *= 2;
    assert!(memory_bound(&config).reserved_bytes > four.reserved_bytes);
    let mut config = config_of(4);
    config.sizes.broadcast_blocks *= 2;
    let more = memory_bound(&config);
    assert!(more.ordinary_bytes > four.ordinary_bytes && more.most_bytes > four.most_bytes);
}
