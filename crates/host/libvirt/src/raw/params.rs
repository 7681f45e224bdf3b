//! Typed parameters: the lists of names and values in which libvirt hands out statistics.

use super::borrowed_text;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Any of the integer types, and booleans.
    Number(i128),
    /// A floating point number.
    Float(f64),
    /// Text.
    Text(String),
}

/// Names and values, in libvirt's order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Params(pub Vec<(String, Value)>);

impl Params {
    /// A count; none when absent or negative.
    pub(crate) fn count(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(key, _)| key == name).and_then(|(_, value)| match value {
            Value::Number(number) => u64::try_from(*number).ok(),
            Value::Float(_) | Value::Text(_) => None,
        })
    }

    /// Copies a list.
    ///
    /// # Safety
    /// `list` points to `count` parameters as libvirt filled them in (or `count` is 0), alive during this call.
    pub(super) unsafe fn copied(list: virt_sys::virTypedParameterPtr, count: i32) -> Self {
        let count = if list.is_null() { 0 } else { usize::try_from(count).unwrap_or(0) };
        let mut params = Vec::with_capacity(count);
        for at in 0..count {
            // SAFETY: within the list, by the contract.
            let param = unsafe { &*list.add(at) };
            // SAFETY: the name is a terminated string inside the structure.
            let name = unsafe { borrowed_text(param.field.as_ptr()) };
            // SAFETY: the type says which member of the union libvirt wrote.
            let value = unsafe {
                match u32::try_from(param.type_).unwrap_or(0) {
                    virt_sys::VIR_TYPED_PARAM_INT => Value::Number(param.value.i.into()),
                    virt_sys::VIR_TYPED_PARAM_UINT => Value::Number(param.value.ui.into()),
                    virt_sys::VIR_TYPED_PARAM_LLONG => Value::Number(param.value.l.into()),
                    virt_sys::VIR_TYPED_PARAM_ULLONG => Value::Number(param.value.ul.into()),
                    virt_sys::VIR_TYPED_PARAM_BOOLEAN => Value::Number(param.value.b.into()),
                    virt_sys::VIR_TYPED_PARAM_DOUBLE => Value::Float(param.value.d),
                    virt_sys::VIR_TYPED_PARAM_STRING => Value::Text(borrowed_text(param.value.s)),
                    _ => continue,
                }
            };
            params.push((name, value));
        }
        Self(params)
    }
}
