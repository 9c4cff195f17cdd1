//! The part of Python's pickle machine that describes tensors. Values are kept in one list and
//! refer to each other by index, so that shared values are not copied and nesting needs no
//! recursion.

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
    /// A storage outside the pickle: the tuple that identifies it.
    Persistent(Id),
    /// A call that is not executed: callable and arguments.
    Call(Id, Id),
    /// A value that is not used.
    Other,
}

/// Maximum number of instructions. Ten thousand tensors take half a million.
const MAX_INSTRUCTIONS: usize = 1 << 21;

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

    /// Returns a non-negative integer.
    pub fn count(&self, id: Id) -> Option<u64> {
        match self.get(id) {
            Value::Int(number) => u64::try_from(*number).ok(),
            _ => None,
        }
    }
}

/// Reads one pickle. Returns its values and the id of the result.
pub fn read(bytes: &mut Bytes<'_>) -> Result<(Values, Id), String> {
    let mut machine = Machine {
        bytes,
        values: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    for _ in 0..MAX_INSTRUCTIONS {
        let code = machine.bytes.byte()?;
        if code == b'.' {
            let top = machine.pop()?;
            return Ok((Values(machine.values), top));
        }
        machine.step(code)?;
    }
    Err(format!("has a pickle of more than {MAX_INSTRUCTIONS} instructions"))
}

struct Machine<'a, 'b> {
    bytes: &'a mut Bytes<'b>,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Stack heights.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

/// Python's pickletools documents the instructions.
impl Machine<'_, '_> {
    fn step(&mut self, code: u8) -> Result<(), String> {
        match code {
            0x80 => drop(self.bytes.byte()?),       // PROTO
            0x95 => drop(self.bytes.array::<8>()?), // FRAME
            b'(' => self.marks.push(self.stack.len()),
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.memoize(code)?,
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

    /// Reads an instruction that pushes a literal; `None` if it is another one.
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

    /// Reads the argument of LONG1: a length, then a little-endian signed integer.
    fn long(&mut self) -> Result<i64, String> {
        let length = usize::from(self.bytes.byte()?);
        let mut number = [0; 8];
        for byte in number.get_mut(..length).ok_or("has an integer of more than 64 bits")? {
            *byte = self.bytes.byte()?;
        }
        let unused = 64 - 8 * length as u32;
        // Shift left and right to extend the sign.
        Ok(i64::from_le_bytes(number).checked_shl(unused).unwrap_or(0) >> unused.min(63))
    }

    /// Runs an instruction that builds a value from the stack.
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
                    _ => return Err("has a class name that is not a string".to_owned()),
                }
            }
            _ => {
                return Err(format!(
                    "has the pickle instruction {code:#04x}, which weights do not need"
                ));
            }
        })
    }

    /// Adds the values above a container to it.
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
            // BUILD sets attributes, such as the versions of a state dict.
            (b'b', _) => {}
            (b's' | b'u', Value::Dict(entries)) => {
                let (pairs, rest) = items.as_chunks::<2>();
                if !rest.is_empty() {
                    return Err("has a key without a value".to_owned());
                }
                entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
            }
            (b'a' | b'e', Value::List(list)) => list.extend(items),
            _ => return Err("adds to something that is not a container".to_owned()),
        }
        Ok(())
    }

    /// Stores the top of the stack in the memo, or pushes a value from it.
    fn memoize(&mut self, code: u8) -> Result<(), String> {
        let key = match code {
            b'q' | b'h' => self.bytes.byte()?.into(),
            0x94 => self.memo.len() as u32,
            _ => u32::from_le_bytes(self.bytes.array()?),
        };
        if matches!(code, b'h' | b'j') {
            let value = self.memo.get(&key);
            self.stack.push(*value.ok_or("uses a value that is not in its memo")?);
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
    "has a pickle that pops from an empty stack".to_owned()
}

/// Rejects names outside torch and collections. Nothing would be executed, but such a file is
/// not a file of weights, and its owner should know.
fn global(module: &str, name: &str) -> Result<Value, String> {
    let known = module == "collections" || module == "torch" || module.starts_with("torch.");
    match known {
        true => Ok(Value::Global(format!("{module}.{name}"))),
        false => {
            Err(format!("calls {module}.{name}, which weights do not need; it was not executed"))
        }
    }
}
