//! The part of Python's pickle machine that describes tensors. Values lie in
//! one list and name each other by number: nothing is copied, however often it
//! is used, and nothing recurses, however deep it is nested.

use std::collections::HashMap;

use super::bytes::Bytes;

pub type Id = usize;

#[derive(Debug)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Text(String),
    /// A class or function, `module.name`.
    Global(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A storage outside of the pickle, by the tuple that names it.
    Persistent(Id),
    /// The first called with the second, were it run.
    Call(Id, Id),
    /// Of no meaning here.
    Other,
}

/// A model of ten thousand tensors takes half a million.
const LONGEST_PROGRAM: usize = 1 << 21;

#[derive(Debug)]
pub struct Values(Vec<Value>);

impl Values {
    pub fn get(&self, id: Id) -> &Value {
        self.0.get(id).unwrap_or(&Value::Other)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }

    pub fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) => Some(items),
            _ => None,
        }
    }

    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn global(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Global(name) => Some(name),
            _ => None,
        }
    }

    /// A number that counts something.
    pub fn count(&self, id: Id) -> Option<u64> {
        match self.get(id) {
            Value::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }
}

/// Reads one pickle and returns its values and the one that it stands for.
pub fn read(bytes: &mut Bytes<'_>) -> Result<(Values, Id), String> {
    let mut machine = Machine {
        bytes,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    for _ in 0..LONGEST_PROGRAM {
        let code = machine.bytes.byte()?;
        if code == b'.' {
            let top = machine.pop()?;
            return Ok((Values(machine.values), top));
        }
        machine.step(code)?;
    }
    Err(format!("has a pickle of more than {LONGEST_PROGRAM} instructions"))
}

struct Machine<'a, 'b> {
    bytes: &'a mut Bytes<'b>,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

/// The instructions have their names in Python's pickletools.
impl Machine<'_, '_> {
    fn step(&mut self, code: u8) -> Result<(), String> {
        match code {
            0x80 => drop(self.bytes.byte()?),       // PROTO
            0x95 => drop(self.bytes.array::<8>()?), // FRAME
            b'(' => self.marks.push(self.stack.len()),
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.memoise(code)?,
            b's' | b'u' | b'a' | b'e' | b'b' => self.fill(code)?,
            _ => {
                let value = match self.literal(code)? {
                    Some(value) => value,
                    None => self.combined(code)?,
                };
                self.push(value);
            }
        }
        Ok(())
    }

    /// A value that is written out.
    fn literal(&mut self, code: u8) -> Result<Option<Value>, String> {
        let bytes = &mut self.bytes;
        Ok(Some(match code {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'K' => Value::Int(bytes.byte()?.into()),
            b'M' => Value::Int(u16::from_le_bytes(bytes.array()?).into()),
            b'J' => Value::Int(i32::from_le_bytes(bytes.array()?).into()),
            0x8a => Value::Int(self.long()?),
            b'G' => bytes.array::<8>().map(|_| Value::Other)?,
            b'U' | 0x8c => {
                let length = bytes.byte()?;
                Value::Text(bytes.text(length.into())?)
            }
            b'T' | b'X' => {
                let length = u32::from_le_bytes(bytes.array()?);
                Value::Text(bytes.text(length.into())?)
            }
            0x8d => {
                let length = u64::from_le_bytes(bytes.array()?);
                Value::Text(bytes.text(length)?)
            }
            b'c' => {
                let module = bytes.line()?;
                global(&module, &bytes.line()?)?
            }
            b')' => Value::Tuple(Vec::new()),
            b']' => Value::List(Vec::new()),
            b'}' => Value::Dict(Vec::new()),
            _ => return Ok(None),
        }))
    }

    /// LONG1: little-endian, as many bytes as it needs.
    fn long(&mut self) -> Result<i64, String> {
        let length = usize::from(self.bytes.byte()?);
        let mut number = [0; 8];
        for byte in number.get_mut(..length).ok_or("has an integer of more than 64 bits")? {
            *byte = self.bytes.byte()?;
        }
        let unused = 64 - 8 * length as u32;
        // Shifted up and down again, the sign fills what was not written.
        Ok(i64::from_le_bytes(number).checked_shl(unused).unwrap_or(0) >> unused.min(63))
    }

    /// A value made of those on the stack.
    fn combined(&mut self, code: u8) -> Result<Value, String> {
        Ok(match code {
            b't' => Value::Tuple(self.pop_to_mark()?),
            0x85 => Value::Tuple(vec![self.pop()?]),
            0x86 => {
                let second = self.pop()?;
                Value::Tuple(vec![self.pop()?, second])
            }
            0x87 => {
                let (third, second) = (self.pop()?, self.pop()?);
                Value::Tuple(vec![self.pop()?, second, third])
            }
            b'Q' => Value::Persistent(self.pop()?),
            // REDUCE, NEWOBJ
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let callable = self.pop()?;
                match self.values.get(callable) {
                    Some(Value::Global(name)) if name == "collections.OrderedDict" => {
                        Value::Dict(Vec::new())
                    }
                    _ => Value::Call(callable, arguments),
                }
            }
            // STACK_GLOBAL
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.values.get(module), self.values.get(name)) {
                    (Some(Value::Text(module)), Some(Value::Text(name))) => global(module, name)?,
                    _ => return Err("names a class that is no string".to_owned()),
                }
            }
            _ => {
                return Err(format!(
                    "has the pickle instruction {code:#04x}, which no weights need"
                ));
            }
        })
    }

    /// Puts what is above a container into it.
    fn fill(&mut self, code: u8) -> Result<(), String> {
        let items = match code {
            b'u' | b'e' => self.pop_to_mark()?,
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => vec![self.pop()?],
        };
        let container = self.stack.last().and_then(|&id| self.values.get_mut(id));
        match (code, container.ok_or_else(empty)?) {
            // Attributes of an object, such as a state dict's versions.
            (b'b', _) => {}
            (b's' | b'u', Value::Dict(entries)) => {
                let (pairs, odd) = items.as_chunks::<2>();
                if !odd.is_empty() {
                    return Err("has a key without a value".to_owned());
                }
                entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            (b'a' | b'e', Value::List(list)) => list.extend(items),
            _ => return Err("fills something that is no container".to_owned()),
        }
        Ok(())
    }

    /// Notes the topmost value, or takes a noted one.
    fn memoise(&mut self, code: u8) -> Result<(), String> {
        let key = match code {
            b'q' | b'h' => self.bytes.byte()?.into(),
            0x94 => self.memo.len() as u32,
            _ => u32::from_le_bytes(self.bytes.array()?),
        };
        if matches!(code, b'h' | b'j') {
            let noted = self.memo.get(&key);
            self.stack.push(*noted.ok_or("uses a value that it has not noted")?);
        } else {
            let top = self.stack.last().ok_or_else(empty)?;
            self.memo.insert(key, *top);
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    fn pop(&mut self) -> Result<Id, String> {
        self.stack.pop().ok_or_else(empty)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        Ok(self.stack.split_off(mark.ok_or_else(empty)?))
    }
}

fn empty() -> String {
    "has a pickle that takes more than it gave".to_owned()
}

/// Nothing is run here; but a file that asks for more than tensors need is no
/// file of weights, and its owner should know.
fn global(module: &str, name: &str) -> Result<Value, String> {
    let known = module == "collections" || module == "torch" || module.starts_with("torch.");
    match known {
        true => Ok(Value::Global(format!("{module}.{name}"))),
        false => Err(format!(
            "asks Python for {module}.{name}, which no weights need; nothing of it was run"
        )),
    }
}
