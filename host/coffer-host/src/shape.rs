//! The shape of a component: how many of what it has, how large and how entangled, counted in its bytes
//! before the engine's compiler sees any of it.
//!
//! Compiling takes time and memory that the size of a file says little of: a few hundred bytes can unfold
//! into a billion instances, and the compiler's work grows with the square of some things. Whatever is
//! within these bounds is compiled in a time that is bounded too; nothing can stop the compiler once it
//! has begun. What was measured to choose the bounds stands beside them in [`limits`].

use crate::error::LoadError;
use crate::limits;
use crate::text;
use wasmparser::{
    BinaryReaderError, BlockType, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, CompositeInnerType, ContType, FrameKind, FuncType,
    FunctionBody, Instance, ModuleArity, Operator, Parser, Payload, RefType, SubType, TypeRef,
};

/// Checks that the component `bytes` has a shape that can be compiled.
///
/// # Errors
///
/// [`LoadError::TooComplex`] names the bound. [`LoadError::Malformed`] if it cannot be read.
pub(crate) fn check(bytes: &[u8]) -> Result<(), LoadError> {
    let mut shape = Shape::default();
    for payload in Parser::new(0).parse_all(bytes) {
        shape.add(payload.map_err(malformed)?)?;
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` takes")]
fn malformed(error: BinaryReaderError) -> LoadError {
    LoadError::Malformed(text::escape(error.message()), error.offset())
}

/// Fails if there are more than `max` of what `what` names.
fn within(count: usize, max: usize, what: &'static str) -> Result<(), LoadError> {
    if count <= max { Ok(()) } else { Err(LoadError::TooComplex { max: max as u64, what }) }
}

/// What was counted so far.
#[derive(Default)]
struct Shape {
    /// The modules and components that are being read, the outermost first.
    open: Vec<Part>,
    code_bytes: usize,
    components: usize,
    functions: usize,
    items: usize,
    modules: usize,
    segments: usize,
    tangle: u64,
    types: usize,
}

/// A module or a component that is being read.
enum Part {
    Component(Components),
    Module(Module),
}

/// What a component is made of, once for each time that it is instantiated.
#[derive(Clone, Copy, Default)]
struct Unfolded {
    components: usize,
    modules: usize,
}

/// The index space of components in one, and what instantiating it unfolds into.
#[derive(Default)]
struct Components {
    /// Nothing for one that is passed in as an argument: what that unfolds into depends on who does.
    known: Vec<Option<Unfolded>>,
    unfolded: Unfolded,
}

/// What has to be known of a module to read its functions.
#[derive(Default)]
struct Module {
    types: Vec<SubType>,
    /// The type of each function.
    functions: Vec<u32>,
    imported: usize,
    bodies: usize,
}

impl Shape {
    fn add(&mut self, payload: Payload<'_>) -> Result<(), LoadError> {
        match payload {
            Payload::Version { encoding, .. } => {
                self.open(encoding == wasmparser::Encoding::Module)?;
            }
            Payload::End(_) => self.close(),
            Payload::ComponentTypeSection(section) => self.types(section.count())?,
            Payload::CoreTypeSection(section) => self.types(section.count())?,
            Payload::ComponentImportSection(section) => {
                self.items(section.count())?;
                for import in section {
                    if let ComponentTypeRef::Component(_) = import.map_err(malformed)?.ty {
                        self.component(|_| None);
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                self.items(section.count())?;
                for export in section {
                    let export = export.map_err(malformed)?;
                    if export.kind == ComponentExternalKind::Component {
                        self.component(|components| components.at(export.index));
                    }
                }
            }
            Payload::ComponentAliasSection(section) => {
                self.items(section.count())?;
                for alias in section {
                    self.alias(&alias.map_err(malformed)?);
                }
            }
            Payload::ComponentCanonicalSection(section) => self.items(section.count())?,
            Payload::ComponentInstanceSection(section) => {
                self.items(section.count())?;
                for instance in section {
                    if let ComponentInstance::Instantiate { component_index, args } =
                        instance.map_err(malformed)?
                    {
                        self.items(u32::try_from(args.len()).unwrap_or(u32::MAX))?;
                        self.instantiate(component_index)?;
                    }
                }
            }
            Payload::InstanceSection(section) => {
                self.items(section.count())?;
                for instance in section {
                    if let Instance::Instantiate { .. } = instance.map_err(malformed)? {
                        self.unfold(Unfolded { components: 0, modules: 1 })?;
                    }
                }
            }
            Payload::TypeSection(section) => {
                for group in section {
                    for ty in group.map_err(malformed)?.into_types() {
                        self.types(1)?;
                        arity(&ty)?;
                        self.module(|module| module.types.push(ty));
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.items(1)?;
                    if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) =
                        import.map_err(malformed)?.ty
                    {
                        self.module(|module| {
                            module.functions.push(ty);
                            module.imported += 1;
                        });
                    }
                }
            }
            Payload::FunctionSection(section) => {
                self.functions += section.count() as usize;
                within(self.functions, limits::FUNCTIONS_MAX, "functions")?;
                for ty in section {
                    let ty = ty.map_err(malformed)?;
                    self.module(|module| module.functions.push(ty));
                }
            }
            Payload::ExportSection(section) => self.items(section.count())?,
            Payload::GlobalSection(section) => self.items(section.count())?,
            Payload::ElementSection(section) => self.segments(section.count())?,
            Payload::DataSection(section) => self.segments(section.count())?,
            Payload::CodeSectionEntry(body) => self.body(&body)?,
            _ => {}
        }
        Ok(())
    }

    fn open(&mut self, is_module: bool) -> Result<(), LoadError> {
        if is_module {
            self.modules += 1;
            within(self.modules, limits::MODULES_MAX, "modules")?;
            self.open.push(Part::Module(Module::default()));
        } else {
            self.components += 1;
            within(self.components, limits::COMPONENTS_MAX, "components")?;
            self.open.push(Part::Component(Components::default()));
        }
        Ok(())
    }

    fn close(&mut self) {
        if let Some(Part::Component(done)) = self.open.pop() {
            self.component(|_| Some(done.unfolded));
        }
    }

    /// Acts on the module that is being read.
    fn module(&mut self, act: impl FnOnce(&mut Module)) {
        if let Some(Part::Module(module)) = self.open.last_mut() {
            act(module);
        }
    }

    /// Adds to the index space of the component that is being read.
    fn component(&mut self, known: impl FnOnce(&Components) -> Option<Unfolded>) {
        if let Some(Part::Component(components)) = self.open.last_mut() {
            let known = known(components);
            components.known.push(known);
        }
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) {
        let known = match *alias {
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Component, count, index } => {
                let outer = self.open.iter().rev().nth(count as usize);
                match outer {
                    Some(Part::Component(components)) => components.at(index),
                    Some(Part::Module(_)) | None => None,
                }
            }
            ComponentAlias::InstanceExport { kind: ComponentExternalKind::Component, .. } => None,
            ComponentAlias::CoreInstanceExport { .. }
            | ComponentAlias::InstanceExport { .. }
            | ComponentAlias::Outer { .. } => return,
        };
        self.component(|_| known);
    }

    fn instantiate(&mut self, index: u32) -> Result<(), LoadError> {
        let Some(Part::Component(components)) = self.open.last() else { return Ok(()) };
        let Some(unfolded) = components.at(index) else {
            let what = "instances of components that are passed as arguments";
            return Err(LoadError::TooComplex { max: 0, what });
        };
        self.unfold(Unfolded { components: unfolded.components + 1, ..unfolded })
    }

    fn unfold(&mut self, more: Unfolded) -> Result<(), LoadError> {
        let Some(Part::Component(Components { unfolded, .. })) = self.open.last_mut() else {
            return Ok(());
        };
        // Each is within its bound, so that no sum overflows.
        unfolded.components += more.components;
        unfolded.modules += more.modules;
        within(unfolded.components, limits::COMPONENT_INSTANCES_MAX, "instances of components")?;
        within(unfolded.modules, limits::CORE_INSTANCES_MAX as usize, "instances of modules")
    }

    fn types(&mut self, count: u32) -> Result<(), LoadError> {
        self.types += count as usize;
        within(self.types, limits::TYPES_MAX, "types")
    }

    fn items(&mut self, count: u32) -> Result<(), LoadError> {
        self.items += count as usize;
        let what = "imports, exports, aliases, globals and segments";
        within(self.items, limits::ITEMS_MAX, what)
    }

    fn segments(&mut self, count: u32) -> Result<(), LoadError> {
        self.segments += count as usize;
        within(self.segments, limits::SEGMENTS_MAX, "segments of data and elements")?;
        self.items(count)
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), LoadError> {
        let bytes = body.range().len();
        within(bytes, limits::FUNCTION_BYTES_MAX, "bytes of code in one function")?;
        self.code_bytes += bytes;
        within(self.code_bytes, limits::CODE_BYTES_MAX, "bytes of code")?;
        let Some(Part::Module(module)) = self.open.last_mut() else { return Ok(()) };
        let function = module.imported + module.bodies;
        module.bodies += 1;
        self.tangle = self.tangle.saturating_add(Function::read(module, function, body)?);
        let max = limits::TANGLE_MAX;
        let what = "entanglement (branches squared, times locals, of all functions)";
        if self.tangle <= max { Ok(()) } else { Err(LoadError::TooComplex { max, what }) }
    }
}

impl Components {
    fn at(&self, index: u32) -> Option<Unfolded> {
        self.known.get(index as usize).copied().flatten()
    }
}

/// How many parameters a function of this type has.
fn parameters(ty: &SubType) -> usize {
    match &ty.composite_type.inner {
        CompositeInnerType::Func(function) => function.params().len(),
        CompositeInnerType::Array(_)
        | CompositeInnerType::Cont(_)
        | CompositeInnerType::Struct(_) => 0,
    }
}

/// A few bytes call a function or begin a block, and the compiler handles each parameter and result.
fn arity(ty: &SubType) -> Result<(), LoadError> {
    let CompositeInnerType::Func(function) = &ty.composite_type.inner else { return Ok(()) };
    within(function.params().len(), limits::PARAMETERS_MAX, "parameters of one function")?;
    within(function.results().len(), limits::RESULTS_MAX, "results of one function")
}

/// A function whose code is being read.
struct Function<'m> {
    module: &'m Module,
    /// What is open: its type, what it is, and how many operands there were when it began.
    blocks: Vec<(BlockType, FrameKind, usize)>,
    operands: usize,
    branches: usize,
    loops: usize,
    targets: usize,
}

impl<'m> Function<'m> {
    /// Reads the function with this index, and says how entangled it is.
    fn read(module: &'m Module, index: usize, body: &FunctionBody<'_>) -> Result<u64, LoadError> {
        let ty = module.functions.get(index).copied();
        let mut locals = match ty.and_then(|ty| module.types.get(ty as usize)) {
            Some(ty) => parameters(ty),
            None => 0,
        };
        for group in body.get_locals_reader().map_err(malformed)? {
            locals = locals.saturating_add(group.map_err(malformed)?.0 as usize);
            within(locals, limits::LOCALS_MAX, "locals of one function")?;
        }
        let block = ty.map_or(BlockType::Empty, BlockType::FuncType);
        let mut function = Self {
            module,
            blocks: vec![(block, FrameKind::Block, 0)],
            operands: 0,
            branches: 0,
            loops: 0,
            targets: 0,
        };
        let mut operators = body.get_operators_reader().map_err(malformed)?;
        while !operators.eof() {
            let at = operators.original_position();
            function.add(&operators.read().map_err(malformed)?, at)?;
        }
        let branches = function.branches as u64 + 1;
        Ok(branches * branches * (locals as u64 + 1))
    }

    fn add(&mut self, operator: &Operator<'_>, at: usize) -> Result<(), LoadError> {
        use Operator as O;
        // The engine refuses it as well, and says better what it is.
        let (taken, given) = match operator {
            O::End if self.blocks.is_empty() => (0, 0),
            operator => operator.operator_arity(self).ok_or_else(|| {
                LoadError::Malformed("an operator of a feature that is off".into(), at)
            })?,
        };
        let before = self.operands.saturating_sub(taken as usize);
        self.operands = before + given as usize;
        match *operator {
            O::Block { blockty } => self.open(blockty, FrameKind::Block, before)?,
            O::Loop { blockty } => self.open(blockty, FrameKind::Loop, before)?,
            O::If { blockty } => self.open(blockty, FrameKind::If, before)?,
            O::Else => {
                // What comes after a branch that is always taken is not counted right, so begin again.
                if let Some((_, _, operands)) = self.blocks.last() {
                    self.operands = operands + given as usize;
                }
            }
            O::End => {
                if let Some((_, kind, operands)) = self.blocks.pop() {
                    self.loops -= usize::from(kind == FrameKind::Loop);
                    self.operands = operands + given as usize;
                }
            }
            O::BrTable { ref targets } => {
                self.targets = self.targets.saturating_add(targets.len() as usize);
                within(self.targets, limits::BRANCH_TARGETS_MAX, "branch targets in one function")?;
            }
            // Each is a branch in what the engine makes of it.
            O::BrIf { .. }
            | O::CallIndirect { .. }
            | O::ReturnCallIndirect { .. }
            | O::TableGet { .. }
            | O::TableSet { .. } => self.branch()?,
            _ => {}
        }
        within(self.operands, limits::OPERANDS_MAX, "operands at the same time in one function")
    }

    fn open(&mut self, ty: BlockType, kind: FrameKind, operands: usize) -> Result<(), LoadError> {
        self.loops += usize::from(kind == FrameKind::Loop);
        within(self.loops, limits::LOOPS_NESTED_MAX, "loops in one another")?;
        self.blocks.push((ty, kind, operands));
        within(self.blocks.len(), limits::BLOCKS_NESTED_MAX, "blocks in one another")?;
        self.branch()
    }

    fn branch(&mut self) -> Result<(), LoadError> {
        self.branches += 1;
        within(self.branches, limits::BRANCHES_MAX, "branches in one function")
    }
}

impl ModuleArity for Function<'_> {
    fn sub_type_at(&self, index: u32) -> Option<&SubType> {
        self.module.types.get(index as usize)
    }

    fn type_index_of_function(&self, index: u32) -> Option<u32> {
        self.module.functions.get(index as usize).copied()
    }

    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }

    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }

    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }

    fn control_stack_height(&self) -> u32 {
        u32::try_from(self.blocks.len()).unwrap_or(u32::MAX)
    }

    fn label_block(&self, depth: u32) -> Option<(BlockType, FrameKind)> {
        let (ty, kind, _) = self.blocks.iter().rev().nth(depth as usize)?;
        Some((*ty, *kind))
    }
}

#[cfg(test)]
mod tests;
