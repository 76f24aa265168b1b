//! What every algorithm answers before anything is written, and the helpers that the twins share.

use bytes::Bytes;
use cachekit_keys::{Key, Ttl};
use cachekit_store::{Error, ErrorKind, Result, SetOptions, Transaction};

/// The largest limit of a sliding window: its counts are multiplied with each other, and stay below 2^53.
pub(crate) const MAX_SLIDING: i64 = 1 << 26;

/// The first number that is not exact in a script.
const MAX_EXACT: i64 = 1 << 53;

/// The largest limit that may be stored for a subject.
const MAX_LIMIT: i64 = 1 << 52;

/// One limit of one subject at one moment.
pub(super) trait Plan {
    fn limit(&self) -> i64;
    /// The most that would pass now.
    fn free(&self) -> i64;
    /// Microseconds until `cost` passes, where it does not now and is not above the limit.
    fn retry(&mut self, tx: &mut dyn Transaction, cost: i64) -> Result<i64>;
    /// Microseconds until nothing is in use any more.
    fn reset(&self) -> i64;
    /// Which window this is; 0 where there is none.
    fn window(&self) -> i64;
    /// Whether the stored state was impossible, because a clock went back or the limit was lowered.
    fn repair(&self) -> bool;
    /// Writes the state as it was understood.
    fn save(&mut self, tx: &mut dyn Transaction) -> Result<()>;
    fn take(&mut self, tx: &mut dyn Transaction, cost: i64) -> Result<()>;
    /// Gives back up to `cost`, if `window` is still the present one; answers how much.
    fn refund(&mut self, tx: &mut dyn Transaction, cost: i64, window: i64) -> Result<i64>;
}

/// Takes keys and arguments in their order.
pub(crate) struct Reader<'a> {
    pub(crate) keys: std::slice::Iter<'a, Key>,
    pub(crate) args: std::slice::Iter<'a, Bytes>,
}

impl<'a> Reader<'a> {
    pub(crate) fn key(&mut self) -> Result<&'a Key> {
        self.keys.next().ok_or_else(|| malformed("a key"))
    }

    pub(crate) fn word(&mut self) -> Result<&'a [u8]> {
        let arg = self.args.next().ok_or_else(|| malformed("an argument"))?;
        Ok(arg)
    }

    pub(crate) fn arg(&mut self) -> Result<i64> {
        number(self.word()?).ok_or_else(|| malformed("a number"))
    }

    /// Numbers, after how many they are.
    pub(super) fn costs(&mut self) -> Result<Vec<i64>> {
        let count = self.arg()?;
        (0..count).map(|_| self.arg()).collect()
    }

    pub(crate) fn has_more(&self) -> bool {
        self.args.len() > 0
    }
}

pub(super) fn malformed(what: &str) -> Error {
    Error::new(ErrorKind::Unexpected, "limit")
        .with_detail(format!("{what} is missing in a script's call"))
}

/// Digits and nothing else, up to 16 of them; what is above 2^53 counts as 2^53.
pub(crate) fn whole(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    let number = text
        .iter()
        .try_fold(0, |number: i64, byte| Some(number * 10 + digit(byte)?));
    number.map(|number| number.min(MAX_EXACT))
}

/// What a counter says that other programs read and may write: nothing below 0, and 2^53 at most. Whatever is no whole number is
/// an error before anything is written, as an increment of it would be afterwards.
pub(crate) fn counted(text: Option<&[u8]>) -> Result<i64> {
    match text {
        None | Some(b"0") => Ok(0),
        Some([b'-', digits @ ..]) if is_number(digits) => Ok(0),
        Some(digits) if is_number(digits) => Ok(saturated(digits, MAX_EXACT)),
        Some(_) => Err(Error::new(ErrorKind::WrongType, "limit")
            .with_detail("value is not an integer or out of range")),
    }
}

/// A limit that is stored for a subject, 2^52 at most; none where it is no number.
pub(crate) fn limited(text: &[u8]) -> Option<i64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| saturated(text, MAX_LIMIT))
}

/// Digits that do not begin with 0.
fn is_number(text: &[u8]) -> bool {
    text.first().is_some_and(|digit| *digit != b'0') && text.iter().all(u8::is_ascii_digit)
}

fn saturated(digits: &[u8], most: i64) -> i64 {
    number(digits).map_or(most, |number| number.min(most))
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The fields of `a:b:c`, each a whole number.
pub(super) fn fields<const N: usize>(text: &[u8]) -> Option<[i64; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split(|byte| *byte == b':');
    for number in &mut numbers {
        *number = whole(parts.next()?)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// The time as the scripts calculate with it.
pub(crate) fn now(tx: &dyn Transaction) -> i64 {
    i64::try_from(tx.now()).unwrap_or(MAX_EXACT)
}

/// Milliseconds that cover `micros`, for a key's TTL.
pub(super) fn ttl(micros: i64) -> Result<Ttl> {
    ttl_millis(div_ceil(micros, 1000))
}

pub(crate) fn ttl_millis(millis: i64) -> Result<Ttl> {
    Ok(Ttl::from_millis(millis.max(1))?)
}

/// Writes what lives until `left` microseconds from now.
pub(super) fn put(tx: &mut dyn Transaction, key: &Key, text: String, left: i64) -> Result<()> {
    tx.set(key, text.into(), SetOptions::ttl(ttl(left)?))?;
    Ok(())
}

pub(crate) fn div_ceil(a: i64, b: i64) -> i64 {
    a.div_euclid(b) + i64::from(a.rem_euclid(b) > 0)
}

/// floor(a * b / c)
pub(super) fn scaled(a: i64, b: i64, c: i64) -> i64 {
    let exact = i128::from(a) * i128::from(b) / i128::from(c);
    i64::try_from(exact).unwrap_or(i64::MAX)
}

/// Times and sums lie far below 2^53, where every whole number is a score.
#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
pub(crate) fn score(number: i64) -> f64 {
    number as f64
}

#[expect(clippy::cast_possible_truncation, reason = "scores are whole numbers")]
pub(crate) fn exact(score: f64) -> i64 {
    score as i64
}
