//! CRC-32C as ext4 and its journal have it: neither complemented before nor after.

/// The polynomial, reflected.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// The sums of all bytes.
static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 {
                sum >> 1 ^ POLYNOMIAL
            } else {
                sum >> 1
            };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

/// Goes on with a sum; ext4's begin with `!0`.
pub fn crc32c(sum: u32, data: &[u8]) -> u32 {
    data.iter().fold(sum, |sum, byte| {
        sum >> 8 ^ TABLE[usize::from(sum as u8 ^ byte)]
    })
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    #[test]
    fn the_sum_of_rfc_3720_comes_out() {
        assert_eq!(!crc32c(!0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(!crc32c(!0, b"123456789"), 0xe306_9283);
    }
}
