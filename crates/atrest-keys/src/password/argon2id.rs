//! Argon2id (RFC 9106), version 1.3, at a cost within what a policy may ask for.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use crate::KeySourceError;

/// What one derivation costs; written `m=65536&t=3&p=4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory, in KiB.
    m: u32,
    /// Passes over it.
    t: u32,
    /// Lanes; worked on one after the other.
    p: u32,
}

impl Argon2Cost {
    /// The cost for a new key: the second recommended option of RFC 9106 §4 (64 MiB,
    /// three passes, four lanes), above the figures of OWASP's Password Storage Cheat
    /// Sheet.
    pub const NEW: Self = Self {
        m: 65_536,
        t: 3,
        p: 4,
    };
    /// The least memory and passes: OWASP's figures for Argon2id (19 MiB, two passes).
    /// No older data needs less to be read.
    pub const LEAST: Self = Self {
        m: 19_456,
        t: 2,
        p: 1,
    };
    /// The most memory, 1 GiB, and the most passes and lanes, so that a policy
    /// cannot exhaust a host.
    pub const MOST: Self = Self {
        m: 1_048_576,
        t: 64,
        p: 16,
    };
    /// The most memory times passes, 4 GiB: some seconds of work, so that a policy
    /// cannot hang a run.
    pub const MOST_WORK: u64 = 4 * 1_048_576;

    /// Memory in KiB, passes, lanes; `origin` is the source's name in messages.
    ///
    /// # Errors
    /// [`KeySourceError::Argon2`] when one of them, or memory times passes, is out of
    /// what is accepted.
    pub fn new(m: u64, t: u64, p: u64, origin: &str) -> Result<Self, KeySourceError> {
        let refused = |problem: String| KeySourceError::Argon2 {
            origin: origin.to_owned(),
            cost: format!("m={m}&t={t}&p={p}"),
            problem,
        };
        let within = |name, value: u64, least: u32, most: u32| {
            u32::try_from(value)
                .ok()
                .filter(|value| (least..=most).contains(value))
                .ok_or_else(|| {
                    refused(format!(
                        "is not accepted: `{name}` goes from {least} to {most}"
                    ))
                })
        };
        let (least, most) = (Self::LEAST, Self::MOST);
        let cost = Self {
            m: within("m", m, least.m, most.m)?,
            t: within("t", t, least.t, most.t)?,
            p: within("p", p, least.p, most.p)?,
        };
        if m.saturating_mul(t) > Self::MOST_WORK {
            return Err(refused(format!(
                "is not accepted: `m` times `t` goes up to {}",
                Self::MOST_WORK
            )));
        }
        Ok(cost)
    }
}

impl fmt::Display for Argon2Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={}&t={}&p={}", self.m, self.t, self.p)
    }
}

/// Why a key was not derived.
#[derive(Debug)]
pub(super) enum Problem {
    /// The system did not give the memory.
    Memory,
    /// The library refuses the parameters.
    Refused(argon2::Error),
}

impl Problem {
    /// As the error of the source that it befell.
    pub(super) fn of(self, cost: Argon2Cost, origin: String) -> KeySourceError {
        KeySourceError::Argon2 {
            origin,
            cost: cost.to_string(),
            problem: match self {
                Self::Memory => format!(
                    "needs {} KiB of memory, which the system did not give: free as much, or raise the limit of this process",
                    cost.m
                ),
                Self::Refused(error) => format!("was refused by the library ({error})"),
            },
        }
    }
}

/// `Argon2id(password, salt, m, t, p)`, version 0x13, without secret and associated
/// data, as many bytes as `out` has.
pub(super) fn derive(
    password: &[u8],
    salt: &[u8],
    cost: Argon2Cost,
    out: &mut [u8],
) -> Result<(), Problem> {
    let params = Params::new(cost.m, cost.t, cost.p, None).map_err(Problem::Refused)?;
    // Asked for so that a refusal is an error, and wiped: the password can be tried
    // against what stands in it.
    let mut memory: Zeroizing<Vec<Block>> = Zeroizing::new(Vec::new());
    memory
        .try_reserve_exact(params.block_count())
        .map_err(|_| Problem::Memory)?;
    memory.resize(params.block_count(), Block::new());
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(password, salt, out, &mut memory[..])
        .map_err(Problem::Refused)
}

#[cfg(test)]
mod tests {
    use argon2::{AssociatedData, ParamsBuilder};

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// RFC 9106 §5.3. It has a secret and associated data, which `derive` has not, so
    /// this is of the library; the next test is of the function in use.
    #[test]
    fn rfc9106_section_5_3_argon2id() {
        let params = ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(AssociatedData::new(&[4; 12]).unwrap())
            .build()
            .unwrap();
        let mut tag = [0; 32];
        Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params)
            .unwrap()
            .hash_password_into(&[1; 32], &[2; 16], &mut tag)
            .unwrap();
        assert_eq!(
            hex(&tag),
            "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"
        );
    }

    /// `test.c` of the reference implementation (phc-winner-argon2), version 0x13 of
    /// Argon2id: m, t, p, password, salt, tag.
    #[test]
    fn phc_winner_argon2_test_c() {
        let vectors = [
            (
                65_536,
                2,
                1,
                "password",
                "somesalt",
                "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7",
            ),
            (
                256,
                2,
                1,
                "password",
                "somesalt",
                "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe",
            ),
            (
                256,
                2,
                2,
                "password",
                "somesalt",
                "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037",
            ),
            (
                65_536,
                1,
                1,
                "password",
                "somesalt",
                "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98",
            ),
            (
                65_536,
                4,
                1,
                "password",
                "somesalt",
                "9025d48e68ef7395cca9079da4c4ec3affb3c8911fe4f86d1a2520856f63172c",
            ),
            (
                65_536,
                2,
                1,
                "differentpassword",
                "somesalt",
                "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde",
            ),
            (
                65_536,
                2,
                1,
                "password",
                "diffsalt",
                "bdf32b05ccc42eb15d58fd19b1f856b113da1e9a5874fdcc544308565aa8141c",
            ),
        ];
        for (m, t, p, password, salt, want) in vectors {
            let mut out = [0; 32];
            let cost = Argon2Cost { m, t, p };
            derive(password.as_bytes(), salt.as_bytes(), cost, &mut out).unwrap();
            assert_eq!(hex(&out), want, "{cost}");
        }
    }

    #[test]
    fn memory_that_is_not_there_is_an_error() {
        let problem = Problem::Memory.of(Argon2Cost::NEW, "APP_PASSWORD".to_owned());
        assert_eq!(
            problem.to_string(),
            "APP_PASSWORD: Argon2id with `m=65536&t=3&p=4` needs 65536 KiB of memory, which the system did not \
             give: free as much, or raise the limit of this process; new keys use `m=65536&t=3&p=4`"
        );
    }
}
