//! The stack machine that a pickle is a program for, with the instructions that data
//! needs.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Object, Value};

/// Deeper than any field's value.
const DEPTH: usize = 64;

/// The value that a pickle leaves; `None` when it needs more than data does.
pub(super) fn run(pickle: &[u8]) -> Option<Value> {
    let mut machine = Machine {
        rest: pickle,
        stack: Vec::new(),
        depths: Vec::new(),
        memo: HashMap::new(),
        room: super::room(pickle),
    };
    loop {
        let [op] = machine.take::<1>()?;
        if op == b'.' {
            let value = machine.pop()?;
            let done = machine.stack.is_empty() && machine.rest.is_empty();
            return done.then_some(value);
        }
        machine.step(op)?;
    }
}

struct Machine<'p> {
    rest: &'p [u8],
    stack: Vec<Value>,
    /// How deep each value on the stack is.
    depths: Vec<usize>,
    /// Values that may be used again. Lists and dictionaries are not among them: they
    /// could contain themselves.
    memo: HashMap<usize, (Value, usize)>,
    /// Bytes that may still be made of what the memo gives again and again.
    room: usize,
}

impl Machine<'_> {
    fn step(&mut self, op: u8) -> Option<()> {
        match op {
            0x80 => drop(self.take::<1>().filter(|[n]| (2..=5).contains(n))?), // PROTO
            0x95 => drop(self.take::<8>()?),                                   // FRAME
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'K' => {
                let [n] = self.take()?;
                self.push(Value::Int(n.into()));
            }
            b'M' => {
                let n = u16::from_le_bytes(self.take()?);
                self.push(Value::Int(n.into()));
            }
            b'J' => {
                let n = i32::from_le_bytes(self.take()?);
                self.push(Value::Int(n.into()));
            }
            0x8a => {
                let n = self.short()?;
                let value = long(self.bytes(n)?)?;
                self.push(value);
            }
            b'G' => {
                let x = f64::from_be_bytes(self.take()?);
                self.push(Value::Float(x));
            }
            0x8c => self.text(Self::short)?,
            b'X' => self.text(Self::int)?,
            0x8d => self.text(Self::wide)?,
            b'C' => self.raw(Self::short)?,
            b'B' => self.raw(Self::int)?,
            0x8e => self.raw(Self::wide)?,
            0x94 => self.memoize(self.memo.len())?,
            b'q' => {
                let at = self.short()?;
                self.memoize(at)?;
            }
            b'r' => {
                let at = self.int()?;
                self.memoize(at)?;
            }
            b'h' => {
                let at = self.short()?;
                self.recall(at)?;
            }
            b'j' => {
                let at = self.int()?;
                self.recall(at)?;
            }
            b'(' => self.push(Value::Mark),
            b')' => self.push(Value::Tuple(Rc::new([]))),
            0x85..=0x87 => {
                let from = self.stack.len().checked_sub(usize::from(op - 0x84))?;
                self.tuple(from)?;
            }
            b't' => {
                let mark = self.mark()?;
                self.tuple(mark + 1)?;
                let (tuple, depth) = (self.stack.pop()?, self.depths.pop()?);
                self.pop()?; // the mark
                self.put(tuple, depth);
            }
            b']' => self.push(Value::List(Vec::new())),
            b'a' => self.append(self.stack.len().checked_sub(1)?, false)?,
            b'e' => self.append(self.mark()?, true)?,
            b'}' => self.push(Value::Dict(Vec::new())),
            b's' => self.set(self.stack.len().checked_sub(2)?, false)?,
            b'u' => self.set(self.mark()?, true)?,
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.class(&module, &name)?;
            }
            0x93 => {
                let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?) else {
                    return None;
                };
                self.class(&module, &name)?;
            }
            b'R' | 0x81 => {
                let (Value::Tuple(args), Value::Class(class)) = (self.pop()?, self.pop()?) else {
                    return None;
                };
                match (&*class, &*args) {
                    // How protocol 2, which has no bytes, writes them.
                    ("_codecs.encode", [Value::Text(text), Value::Text(code)])
                        if &**code == "latin1" =>
                    {
                        self.room = self.room.checked_sub(text.len())?;
                        let bytes = text.chars().map(|c| u8::try_from(c).ok());
                        let bytes = bytes.collect::<Option<Rc<[u8]>>>()?;
                        self.push(Value::Bytes(bytes));
                    }
                    _ => self.object(class, args.to_vec(), None)?,
                }
            }
            b'b' => {
                let state = self.pop()?;
                let Value::Object(object) = self.pop()? else {
                    return None;
                };
                self.object(Rc::clone(&object.class), object.args.clone(), Some(state))?;
            }
            _ => return None,
        }
        Some(())
    }

    fn put(&mut self, value: Value, depth: usize) {
        self.stack.push(value);
        self.depths.push(depth);
    }

    fn push(&mut self, value: Value) {
        self.put(value, 0);
    }

    fn pop(&mut self) -> Option<Value> {
        self.depths.pop();
        self.stack.pop()
    }

    fn mark(&self) -> Option<usize> {
        self.stack.iter().rposition(|v| *v == Value::Mark)
    }

    /// The depth of something that holds what is on the stack from `from` on.
    fn around(&self, from: usize) -> Option<usize> {
        let inside = self.depths.get(from..)?.iter().max().copied();
        inside
            .map_or(Some(1), |depth| depth.checked_add(1))
            .filter(|depth| *depth <= DEPTH)
    }

    fn tuple(&mut self, from: usize) -> Option<()> {
        let depth = self.around(from)?;
        let values: Rc<[Value]> = self.stack.drain(from..).collect();
        self.depths.truncate(from);
        self.put(Value::Tuple(values), depth);
        Some(())
    }

    /// Objects are made of a few small things.
    fn object(&mut self, class: Rc<str>, args: Vec<Value>, state: Option<Value>) -> Option<()> {
        let object = Object { class, args, state };
        let depth = 1 + args_depth(&object);
        if depth > 8 {
            return None;
        }
        self.put(Value::Object(Rc::new(object)), depth);
        Some(())
    }

    /// What stands from `from` on (behind a mark there, if `marked`) into the list before.
    fn append(&mut self, from: usize, marked: bool) -> Option<()> {
        let list = from.checked_sub(1)?;
        let depth = self.around(from)?.max(*self.depths.get(list)?);
        let values: Vec<_> = self.stack.drain(from..).skip(usize::from(marked)).collect();
        self.depths.truncate(from);
        *self.depths.get_mut(list)? = depth;
        match self.stack.get_mut(list)? {
            Value::List(items) => items.extend(values),
            _ => return None,
        }
        Some(())
    }

    /// The same for keys and values into the dictionary before.
    fn set(&mut self, from: usize, marked: bool) -> Option<()> {
        let dict = from.checked_sub(1)?;
        let depth = self.around(from)?.max(*self.depths.get(dict)?);
        let mut values = self.stack.drain(from..).skip(usize::from(marked));
        let mut pairs = Vec::new();
        while let Some(key) = values.next() {
            pairs.push((key, values.next()?));
        }
        drop(values);
        self.depths.truncate(from);
        *self.depths.get_mut(dict)? = depth;
        match self.stack.get_mut(dict)? {
            Value::Dict(items) => items.extend(pairs),
            _ => return None,
        }
        Some(())
    }

    fn class(&mut self, module: &str, name: &str) -> Option<()> {
        self.room = self.room.checked_sub(module.len() + name.len())?;
        self.push(Value::Class(format!("{module}.{name}").into()));
        Some(())
    }

    fn memoize(&mut self, at: usize) -> Option<()> {
        let value = match self.stack.last()? {
            Value::List(_) | Value::Dict(_) | Value::Mark => Value::Mark,
            value => value.clone(),
        };
        self.memo.insert(at, (value, *self.depths.last()?));
        Some(())
    }

    fn recall(&mut self, at: usize) -> Option<()> {
        match self.memo.get(&at)?.clone() {
            (Value::Mark, _) => None,
            (value, depth) => {
                self.put(value, depth);
                Some(())
            }
        }
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    fn bytes(&mut self, length: usize) -> Option<&[u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn short(&mut self) -> Option<usize> {
        self.take::<1>().map(|[n]| n.into())
    }

    fn int(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take()?)).ok()
    }

    fn wide(&mut self) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(self.take()?)).ok()
    }

    fn line(&mut self) -> Option<String> {
        let end = self.rest.iter().position(|b| *b == b'\n')?;
        let line = std::str::from_utf8(self.bytes(end)?).ok()?.to_owned();
        self.bytes(1)?;
        Some(line)
    }

    fn text(&mut self, length: fn(&mut Self) -> Option<usize>) -> Option<()> {
        let length = length(self)?;
        let text = std::str::from_utf8(self.bytes(length)?).ok()?.into();
        self.push(Value::Text(text));
        Some(())
    }

    fn raw(&mut self, length: fn(&mut Self) -> Option<usize>) -> Option<()> {
        let length = length(self)?;
        let bytes = self.bytes(length)?.into();
        self.push(Value::Bytes(bytes));
        Some(())
    }
}

fn args_depth(object: &Object) -> usize {
    let of = |value: &Value| match value {
        Value::Object(inside) => 1 + args_depth(inside),
        // Nothing that we know has more inside than small things.
        Value::Tuple(values) if values.iter().any(|v| matches!(v, Value::Tuple(_))) => 9,
        Value::List(_) => 9,
        Value::Dict(pairs)
            if pairs
                .iter()
                .any(|(_, v)| matches!(v, Value::Dict(_) | Value::List(_) | Value::Tuple(_))) =>
        {
            9
        }
        _ => 0,
    };
    object
        .args
        .iter()
        .chain(&object.state)
        .map(of)
        .max()
        .unwrap_or(0)
}

/// Two's complement, the least byte first.
fn long(bytes: &[u8]) -> Option<Value> {
    match (bytes.len(), bytes.last()) {
        (_, None) => Some(Value::Int(0)),
        (17, Some(0)) => {
            let chunk = bytes.first_chunk::<16>()?;
            Some(Value::Big(u128::from_le_bytes(*chunk)))
        }
        (n @ 0..=16, Some(top)) => {
            let mut all = [if *top >= 0x80 { 0xff } else { 0 }; 16];
            all.get_mut(..n)?.copy_from_slice(bytes);
            Some(Value::Int(i128::from_le_bytes(all)))
        }
        _ => None,
    }
}
