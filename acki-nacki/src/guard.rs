//! A deserializer around bincode's that counts what bincode does not.
//!
//! bincode follows a value as deep as its bytes lead, which are few for a type that contains itself, and
//! the stack ends before they do. It counts elements as often as a length says, which takes for ever
//! where elements have no bytes. And it makes room for an owned text before it knows that it is there; a
//! borrowed one it compares with what is there, so here owned ones are borrowed first.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};

/// Elements without bytes that all sequences of a value may have together.
const EMPTY_ELEMENTS_MAX: usize = 1 << 16;

/// What a value may still have.
pub(crate) struct Budget {
    depth_max: usize,
    elements_max: usize,
    depth_left: Cell<usize>,
    elements_left: Cell<usize>,
    exceeded: Cell<Option<Exceeded>>,
}

/// What a value has too much of.
#[derive(Clone, Copy)]
pub(crate) enum Exceeded {
    Depth { max: usize },
    Elements { max: usize },
}

impl Budget {
    pub(crate) fn new(depth_max: usize, payload_bytes: usize) -> Self {
        // An element that has bytes has one at least that no other has.
        let elements_max = payload_bytes.saturating_add(EMPTY_ELEMENTS_MAX);
        Self {
            depth_max,
            elements_max,
            depth_left: Cell::new(depth_max),
            elements_left: Cell::new(elements_max),
            exceeded: Cell::new(None),
        }
    }

    /// What ended the reading, if it was not the bytes themselves.
    pub(crate) fn exceeded(&self) -> Option<Exceeded> {
        self.exceeded.get()
    }

    fn nested<T, E: Error>(&self, read: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let Some(left) = self.depth_left.get().checked_sub(1) else {
            let max = self.depth_max;
            self.exceeded.set(Some(Exceeded::Depth { max }));
            return Err(E::custom("nested too deep"));
        };
        self.depth_left.set(left);
        let read = read();
        self.depth_left.set(left + 1);
        read
    }

    fn element<E: Error>(&self) -> Result<(), E> {
        let Some(left) = self.elements_left.get().checked_sub(1) else {
            let max = self.elements_max;
            self.exceeded.set(Some(Exceeded::Elements { max }));
            return Err(E::custom("too many elements"));
        };
        self.elements_left.set(left);
        Ok(())
    }
}

/// The seed of a value that needs none.
pub(crate) struct Whole<T>(PhantomData<T>);

impl<T> Default for Whole<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Whole<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

/// A part of serde's conversation, with a budget.
pub(crate) struct Guarded<'b, X> {
    inner: X,
    budget: &'b Budget,
    /// Of a sequence or map, whose length is the sender's word: its elements are counted.
    counts: bool,
}

impl<'b, X> Guarded<'b, X> {
    pub(crate) fn new(inner: X, budget: &'b Budget) -> Self {
        Self {
            inner,
            budget,
            counts: false,
        }
    }

    fn counting(inner: X, budget: &'b Budget) -> Self {
        Self {
            counts: true,
            ..Self::new(inner, budget)
        }
    }

    fn hint(&self, inner: Option<usize>) -> Option<usize> {
        inner.map(|elements| elements.min(self.budget.elements_left.get()))
    }

    fn element<E: Error>(&self) -> Result<(), E> {
        match self.counts {
            true => self.budget.element(),
            false => Ok(()),
        }
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Guarded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner
            .deserialize(Guarded::new(deserializer, self.budget))
    }
}

/// Methods whose values contain no others.
macro_rules! plain {
    ($($method:ident as $asked:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$asked(visitor)
        }
    )* };
}

/// Methods whose values contain others.
macro_rules! nested {
    ($($method:ident($($argument:ident: $type:ty),*) $wrap:ident;)*) => { $(
        fn $method<V: Visitor<'de>>(
            self,
            $($argument: $type,)*
            visitor: V,
        ) -> Result<V::Value, D::Error> {
            let budget = self.budget;
            budget.nested(|| self.inner.$method($($argument,)* Guarded::$wrap(visitor, budget)))
        }
    )* };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Guarded<'_, D> {
    type Error = D::Error;

    plain! {
        deserialize_bool as deserialize_bool
        deserialize_i8 as deserialize_i8
        deserialize_i16 as deserialize_i16
        deserialize_i32 as deserialize_i32
        deserialize_i64 as deserialize_i64
        deserialize_i128 as deserialize_i128
        deserialize_u8 as deserialize_u8
        deserialize_u16 as deserialize_u16
        deserialize_u32 as deserialize_u32
        deserialize_u64 as deserialize_u64
        deserialize_u128 as deserialize_u128
        deserialize_f32 as deserialize_f32
        deserialize_f64 as deserialize_f64
        deserialize_char as deserialize_char
        deserialize_str as deserialize_str
        deserialize_string as deserialize_str
        deserialize_bytes as deserialize_bytes
        deserialize_byte_buf as deserialize_bytes
        deserialize_unit as deserialize_unit
        // Bytes do not say what they are: bincode refuses all three.
        deserialize_any as deserialize_any
        deserialize_identifier as deserialize_identifier
        deserialize_ignored_any as deserialize_ignored_any
    }

    nested! {
        deserialize_option() new;
        deserialize_newtype_struct(name: &'static str) new;
        deserialize_seq() counting;
        deserialize_map() counting;
        deserialize_tuple(len: usize) new;
        deserialize_tuple_struct(name: &'static str, len: usize) new;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) new;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]) new;
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// What contains no other value never meets this visitor, but for an `Option` without one.
impl<'de, V: Visitor<'de>> Visitor<'de> for Guarded<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner
            .visit_some(Guarded::new(deserializer, self.budget))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<V::Value, D::Error> {
        self.inner
            .visit_newtype_struct(Guarded::new(deserializer, self.budget))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let Self {
            inner,
            budget,
            counts,
        } = self;
        inner.visit_seq(Guarded {
            inner: access,
            budget,
            counts,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let Self {
            inner,
            budget,
            counts,
        } = self;
        inner.visit_map(Guarded {
            inner: access,
            budget,
            counts,
        })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Guarded::new(access, self.budget))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Guarded<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        let budget = self.budget;
        let next = self.inner.next_element_seed(Guarded::new(seed, budget))?;
        if next.is_some() {
            self.element()?;
        }
        Ok(next)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint(self.inner.size_hint())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Guarded<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let budget = self.budget;
        let next = self.inner.next_key_seed(Guarded::new(seed, budget))?;
        if next.is_some() {
            self.element()?;
        }
        Ok(next)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.inner.next_value_seed(Guarded::new(seed, self.budget))
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint(self.inner.size_hint())
    }
}

impl<'b, 'de, A: EnumAccess<'de>> EnumAccess<'de> for Guarded<'b, A> {
    type Error = A::Error;
    type Variant = Guarded<'b, A::Variant>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self::Variant), A::Error> {
        let (value, variant) = self.inner.variant_seed(seed)?;
        Ok((value, Guarded::new(variant, self.budget)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Guarded<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.inner
            .newtype_variant_seed(Guarded::new(seed, self.budget))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner
            .tuple_variant(len, Guarded::new(visitor, self.budget))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.inner
            .struct_variant(fields, Guarded::new(visitor, self.budget))
    }
}
