//! Which side of the train/held-out split a task is on: decided by a hash, so that it is the same on every machine, for ever,
//! and so that adding a task moves no other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// One in this many groups is held out: 20 %.
const HELD_OUT_ONE_IN: u64 = 5;

/// What a task is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// To train on.
    Train,
    /// To evaluate with, and never to train on; about a fifth of everything.
    HeldOut,
}

/// The side of a task. The environments of a family go to one side together: what an agent learned in one of them would tell
/// it about the others. An environment without a family has its tasks on both.
///
/// The first eight bytes of the SHA-256 of the family's name, else of `environment/task`, as a big-endian number, are divisible by
/// five where the task is held out. (A family's name has no slash, so the two never meet.)
pub fn of(family: Option<&str>, environment: &str, task: &str) -> Split {
    let mut hash = Sha256::new();
    match family {
        Some(family) => hash.update(family),
        None => {
            hash.update(environment);
            hash.update("/");
            hash.update(task);
        }
    }
    let digest = hash.finalize();
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    if number.is_multiple_of(HELD_OUT_ONE_IN) { Split::HeldOut } else { Split::Train }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These may never change: a checkpoint was trained on one side of them. `printf %s NAME | sha256sum | head -c 16`, as a
    /// hexadecimal number, modulo 5.
    #[test]
    fn the_split_stays_what_it_is() {
        for (environment, task, split) in [
            ("retail_bank", "freeze_own_joint_card", Split::Train),
            ("retail_bank", "skip_cello_payment", Split::Train),
            ("notebook", "pin_the_groceries", Split::Train),
            ("online_shop", "a", Split::HeldOut),
        ] {
            assert_eq!(of(None, environment, task), split, "{environment}/{task}");
        }
        for (family, split) in
            [("library", Split::Train), ("hotel", Split::Train), ("gym", Split::Train), ("bakery", Split::HeldOut)]
        {
            assert_eq!(of(Some(family), "any", "task"), split, "{family}");
        }
    }

    #[test]
    fn a_family_is_on_one_side() {
        let sides: Vec<Split> = (0..50).map(|number| of(Some("library"), &format!("library_{number}"), "x")).collect();
        assert!(sides.iter().all(|side| *side == sides[0]));
    }

    #[test]
    fn about_a_fifth_is_held_out() {
        let held_out =
            (0..10_000).filter(|number| of(None, "shop", &format!("task_{number}")) == Split::HeldOut).count();
        assert!((1_900..2_100).contains(&held_out), "{held_out}");
    }
}
