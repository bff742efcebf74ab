/**
 * The state of one function that is being lowered: where it stands, which ways there are and how they meet.
 * What each construct becomes, the other files of this folder say; they are given this.
 * @module
 */
import type TypeScript from "typescript";
import { FunctionBuilder } from "../ir/builder.ts";
import type { BinaryOperator, Block, Comparison, Domain, Edge, UnaryOperator, Value } from "../ir/ir.ts";
import type { Place } from "../place.ts";
import { CompileError, type CompileProblem } from "../problem.ts";
import { ABILITIES, type CompileTarget } from "../target.ts";
import { Emitter } from "./emitter.ts";
import type { Frame } from "./frame.ts";
import type { Lowered } from "./lowered.ts";
import {
  type AtReturn,
  HIDDEN_VARIABLES,
  type HiddenVariable,
  type Lowering,
  type PacketParts,
  type PathKey,
} from "./lowering.ts";
import { meet } from "./meet.ts";
import type { NodePlaces } from "./node-places.ts";
import { forgetLinks } from "./packet/link.ts";
import { AlreadyRefused, type Arrival, PathState, type Way, WayEnded } from "./path.ts";
import { FunctionReport } from "./report.ts";
import type { LoweredRecord, ShapeTools } from "./shapes.ts";

/** What other files know how to lower, each calling the others through this. */
export interface FrontParts {
  expression(front: Front, node: TypeScript.Expression): Lowered;
  call(front: Front, node: TypeScript.Node, callee: Lowered, parameters: readonly Lowered[]): Lowered;
  statement(front: Front, node: TypeScript.Statement): void;
  constantOf(lowered: Lowered, front: Front): unknown;
  readonly packet: PacketParts;
}

export interface FrontOptions {
  readonly ts: typeof TypeScript;
  readonly program: TypeScript.Program;
  readonly target: CompileTarget;
  readonly name: string;
  readonly hasNoTunnels: boolean;
  readonly exportNames: ReadonlyMap<TypeScript.Symbol, string>;
  readonly places: NodePlaces;
  readonly parts: FrontParts;
}

/** Instructions of one function, with those of loops that are written out; more is no packet script any more. */
const INSTRUCTION_COUNT_MAX = 100_000;

/** See {@link Lowering}. */
export class Front implements Lowering {
  readonly ts: typeof TypeScript;
  readonly program: TypeScript.Program;
  readonly checker: TypeScript.TypeChecker;
  readonly target: CompileTarget;
  readonly builder: FunctionBuilder;
  readonly emit: Emitter;
  readonly report: FunctionReport = new FunctionReport();
  readonly packetStart: number;
  /** Known before the function itself is lowered. */
  hasNoTunnels: boolean;
  readonly parts: FrontParts;
  /** What has been evaluated of modules: constants, by symbol. */
  readonly moduleValues: Map<TypeScript.Symbol, Lowered | undefined> = new Map();
  /** Functions that are being inlined, the innermost last. */
  readonly frames: Frame[] = [];
  readonly returning: AtReturn[] = [];
  /** Records that became part of another: they must not be written to any more. */
  readonly joinedRecords: WeakSet<LoweredRecord> = new WeakSet();
  /** Records of modules, which are constants. */
  readonly moduleRecords: WeakSet<LoweredRecord> = new WeakSet();
  /** What redirecting resulted in: codes that are no verdicts of the script's. */
  readonly redirectCodes: Set<Value> = new Set();
  readonly scriptName: string;
  /** By symbol, the names by which the script's module exports something. */
  readonly exportNames: ReadonlyMap<TypeScript.Symbol, string>;
  readonly #hidden: Readonly<Record<HiddenVariable, PathKey>>;
  state: PathState = new PathState();
  /** What the block declares that is being lowered. */
  scope: Set<TypeScript.Symbol> | undefined = undefined;
  /** Above 0 while a module's constants are evaluated: nothing of a packet is known there. */
  moduleDepth = 0;
  /** `wrap` inside of BigInt.asUintN(64, …). */
  bigDomain: Domain = "bigint";
  readonly places: NodePlaces;
  #node: TypeScript.Node | undefined;

  constructor(options: FrontOptions) {
    this.ts = options.ts;
    this.places = options.places;
    this.program = options.program;
    this.checker = options.program.getTypeChecker();
    this.target = options.target;
    this.builder = new FunctionBuilder(options.name);
    this.emit = new Emitter(
      this.builder,
      () => this.place,
      () => this.#guard(),
    );
    this.packetStart = options.target.attach !== "netfilter" && options.target.first === "network" ? 14 : 0;
    this.hasNoTunnels = options.hasNoTunnels;
    this.parts = options.parts;
    this.scriptName = options.name;
    this.exportNames = options.exportNames;
    const zero = (): Lowered => ({ kind: "integer", value: this.constant(0), isBig: false });
    this.#hidden = Object.fromEntries(
      HIDDEN_VARIABLES.map((name) => [
        name,
        {
          get initial() {
            return zero();
          },
        },
      ]),
    ) as Record<HiddenVariable, PathKey>;
    const end = (): Lowered => ({ kind: "integer", value: this.emit.packetEnd, isBig: false });
    this.#age = {
      get initial() {
        return zero();
      },
    };
    this.#end = {
      get initial() {
        return end();
      },
    };
  }

  /** Modules have constants only: nothing is appended for them. */
  #guard(): void {
    if (this.moduleDepth === 0 || this.#node === undefined) return;
    this.refuse(this.#node, {
      code: "kernel-constant",
      why: "a constant of a module has to be known when the script is compiled, and this is not",
      instead: "move it into the function, or write the value down",
    });
  }

  get place(): Place {
    return this.places.of(this.#node);
  }

  /** The node that is being lowered. */
  get node(): TypeScript.Node | undefined {
    return this.#node;
  }

  /** What is appended meanwhile has the node's place. */
  at<T>(node: TypeScript.Node, action: () => T): T {
    const before = this.#node;
    this.#node = node;
    try {
      return action();
    } finally {
      this.#node = before;
    }
  }

  expression(node: TypeScript.Expression): Lowered {
    if (this.builder.count > INSTRUCTION_COUNT_MAX) {
      this.refuse(node, {
        code: "kernel-too-large",
        why: `the function has become longer than ${INSTRUCTION_COUNT_MAX} instructions here, with everything that it calls and all rounds of its loops written out`,
        instead: "make loops shorter, or split the work between two scripts",
      });
    }
    return this.at(node, () => this.parts.expression(this, node));
  }

  statement(node: TypeScript.Statement): void {
    this.parts.statement(this, node);
  }

  hidden(name: HiddenVariable): Value {
    const now = this.recall(this.#hidden[name]);
    return now.kind === "integer" ? now.value : this.constant(0);
  }

  assignHidden(name: HiddenVariable, value: Value): void {
    this.remember(this.#hidden[name], { kind: "integer", value, isBig: false });
  }

  readonly #end: PathKey;
  readonly #age: PathKey;
  #ageCount = 0;

  /** Bytes of the frame. */
  get packetEnd(): Value {
    const now = this.recall(this.#end);
    return now.kind === "integer" ? now.value : this.emit.packetEnd;
  }

  get age(): Value {
    const now = this.recall(this.#age);
    return now.kind === "integer" ? now.value : this.constant(0);
  }

  resized(): void {
    this.#ageCount++;
    this.remember(this.#age, { kind: "integer", value: this.constant(this.#ageCount), isBig: false });
    const value = this.builder.value("integer");
    this.emit.append({ op: "fact", result: value, fact: "length" });
    this.remember(this.#end, { kind: "integer", value, isBig: false });
    forgetLinks(this);
  }

  memory(bytes: number): Value {
    return this.emit.slot(bytes);
  }

  constant(value: bigint | number | boolean): Value {
    return this.emit.constant(value);
  }
  known(value: Value): bigint | undefined {
    return this.emit.known(value);
  }
  binary(operator: BinaryOperator, left: Value, right: Value | number, domain?: Domain): Value {
    return this.emit.binary(operator, left, right, domain);
  }
  unary(operator: UnaryOperator, operand: Value): Value {
    return this.emit.unary(operator, operand);
  }
  compare(comparison: Comparison, left: Value, right: Value | number): Value {
    return this.emit.compare(comparison, left, right);
  }
  not(condition: Value): Value {
    return this.emit.not(condition);
  }
  select(condition: Value, ifTrue: Value, ifFalse: Value): Value {
    return this.emit.select(condition, ifTrue, ifFalse);
  }

  /** What is known of a condition on this way. */
  truth(condition: Value): boolean | undefined {
    const known = this.known(condition);
    return known === undefined ? this.state.facts.get(condition) : known !== 0n;
  }

  /** Leaves the way that is being lowered, to be gone on with. */
  leave(): Way {
    return { block: this.builder.suspend(), isNew: false, state: this.state };
  }

  /** Goes on with a way. */
  go({ block, isNew, state }: Way): void {
    if (isNew) this.builder.begin(block);
    else this.builder.resume(block);
    this.state = state;
  }

  /** Ends the block: the ways on which a condition is true and false, of which there is only one when that is known. */
  fork(condition: Value): { readonly ifTrue: Way | undefined; readonly ifFalse: Way | undefined } {
    const truth = this.truth(condition);
    if (truth !== undefined) {
      const way = this.leave();
      return truth ? { ifTrue: way, ifFalse: undefined } : { ifTrue: undefined, ifFalse: way };
    }
    this.#guard();
    const ways = [true, false].map((isTrue): Way => {
      const state = this.state.clone();
      this.emit.implications.assume(state.facts, condition, isTrue);
      return { block: this.builder.block(), isNew: true, state };
    }) as [Way, Way];
    const [ifTrue, ifFalse] = ways;
    this.builder.branch(this.place, condition, edgeTo(ifTrue.block), edgeTo(ifFalse.block));
    return { ifTrue, ifFalse };
  }

  /** Goes on where ways meet; the value that they bring, or `undefined` when there are none. */
  meet(arrivals: readonly Arrival[]): Lowered | undefined {
    return meet(this, arrivals);
  }

  /** Goes a way to its end, and adds what it brings there, unless it ends before. */
  arrive(way: Way | undefined, arrivals: Arrival[], action: () => Lowered): void {
    if (way === undefined) return;
    this.go(way);
    try {
      const value = action();
      if (this.builder.isOpen) arrivals.push({ way: this.leave(), value });
    } catch (error) {
      if (!(error instanceof WayEnded)) throw error;
    }
  }

  either(condition: Value, ifTrue: () => Lowered, ifFalse: () => Lowered): Lowered | undefined {
    const ways = this.fork(condition);
    const arrivals: Arrival[] = [];
    this.arrive(ways.ifTrue, arrivals, ifTrue);
    this.arrive(ways.ifFalse, arrivals, ifFalse);
    return this.meet(arrivals);
  }

  /** As {@link either}, within an expression. @throws WayEnded when both ways end */
  choose(condition: Value, ifTrue: () => Lowered, ifFalse: () => Lowered): Lowered {
    const joined = this.either(condition, ifTrue, ifFalse);
    if (joined === undefined) throw new WayEnded();
    return joined;
  }

  open(
    offset: Value,
    bytes: number,
    access: "header" | "payload",
    there: (pointer: Value) => Lowered,
    absent: () => Lowered,
  ): Lowered | undefined {
    const found = this.builder.block("pointer");
    const missing = this.builder.block();
    const { place } = this;
    const [thereEdge, absentEdge] = [edgeTo(found), edgeTo(missing)];
    this.builder.end({ op: "open", place, offset, bytes, access, there: thereEdge, absent: absentEdge });
    const arrivals: Arrival[] = [];
    const [pointer] = found.parameters as [Value];
    // Each way has a state of its own from here on, also when the other one changes its.
    const ways = [found, missing].map((block): Way => ({ block, isNew: true, state: this.state.clone() }));
    this.arrive(ways[0], arrivals, () => there(pointer));
    this.arrive(ways[1], arrivals, absent);
    return this.meet(arrivals);
  }

  /** The script fails here, on this way. */
  fault(message: string): never {
    this.#guard();
    this.builder.end({ op: "fault", place: this.place, message, isChanged: this.report.writes });
    throw new WayEnded();
  }

  /** The value itself; where there is none the script fails, as something was promised to be there that is not. */
  present(lowered: Lowered): Lowered {
    if (lowered.kind === "undefined") return this.fault("undefined, where something was promised to be");
    if (lowered.kind !== "optional") return lowered;
    return this.choose(
      lowered.isThere,
      () => lowered.inner,
      () => this.fault("undefined, where something was promised to be"),
    );
  }

  /** Does something with a value, on both ways when it is a choice. */
  each(lowered: Lowered, action: (one: Lowered) => Lowered): Lowered {
    if (lowered.kind === "choice") {
      return this.choose(
        lowered.condition,
        () => this.each(lowered.ifTrue, action),
        () => this.each(lowered.ifFalse, action),
      );
    }
    if (lowered.kind === "optional" || lowered.kind === "undefined") {
      const { node } = this;
      if (lowered.kind === "undefined" && node !== undefined)
        this.fault("undefined, where something was promised to be");
      return this.each(this.present(lowered), action);
    }
    return action(lowered);
  }

  recall(key: PathKey): Lowered {
    return this.state.variables.get(key) ?? key.initial;
  }

  remember(key: PathKey, lowered: Lowered): void {
    this.state.variables.set(key, lowered);
  }

  atReturn(action: AtReturn): void {
    if (!this.returning.includes(action)) this.returning.push(action);
  }

  call(callee: Lowered, parameters: readonly Lowered[]): Lowered {
    if (this.#node === undefined) throw new TypeError("Cannot call: nothing is being lowered");
    return this.parts.call(this, this.#node, callee, parameters);
  }

  constantOf(node: TypeScript.Expression): unknown {
    return this.parts.constantOf(this.expression(node), this);
  }

  /** What a name means in the end, behind imports. */
  symbolBehind(symbol: TypeScript.Symbol): TypeScript.Symbol {
    const isAlias = (symbol.flags & this.ts.SymbolFlags.Alias) !== 0;
    return isAlias ? this.checker.getAliasedSymbol(symbol) : symbol;
  }

  /** What bringing values into one form needs. */
  get shapeTools(): ShapeTools {
    return {
      constant: (value, type) => this.emit.constant(value, type),
      select: (condition, ifTrue, ifFalse) => this.select(condition, ifTrue, ifFalse),
      toWide: (value) => this.toWide(value),
      fieldsOf: (record) => this.fieldsOf(record),
    };
  }

  /** Halves of a bigint; the script fails where it is negative. */
  toWide(value: Value): { readonly high: Value; readonly low: Value } {
    this.choose(
      this.compare("less", value, 0),
      () => this.fault("a negative bigint, where one of up to 128 bits is meant"),
      () => ({ kind: "undefined" }),
    );
    return { high: this.constant(0), low: value };
  }

  /** A record with what was assigned to it. */
  fieldsOf(record: LoweredRecord): ReadonlyMap<string, Lowered> {
    const now = this.state.variables.get(record);
    return now?.kind === "record" ? now.fields : record.fields;
  }

  refuse(
    node: TypeScript.Node,
    problem: { readonly code: string; readonly why: string; readonly instead: string },
  ): never {
    throw new CompileError(this.problem(node, problem));
  }

  /** Lowers one way to its end; where it does not fit that is reported, and the other ways are looked at. */
  guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (error instanceof WayEnded) return;
      this.reportRefusal(error);
      if (this.builder.isOpen) this.builder.suspend();
    }
  }

  /** Reports what was refused. @throws what is no refusal */
  reportRefusal(error: unknown): void {
    if (error instanceof CompileError) this.report.addProblem(error.problem);
    else if (!(error instanceof AlreadyRefused)) throw error;
    this.report.isRefused = true;
    this.bigDomain = "bigint";
  }

  /** A problem with its place. */
  problem(
    node: TypeScript.Node,
    { code, why, instead }: { readonly code: string; readonly why: string; readonly instead: string },
  ): CompileProblem {
    return { code, ...this.places.spanOf(node), why, instead };
  }

  note(text: string): void {
    this.report.notes.add(text);
  }

  writes(node: TypeScript.Node): void {
    this.report.writes = true;
    forgetLinks(this);
    if (ABILITIES[this.target.attach].writes) return;
    this.refuse(node, {
      code: "kernel-no-writes",
      why: "a program at a netfilter hook can only judge packets, and this changes one",
      instead: "load it at an interface's ingress or egress, where packets can be changed, or in user space",
    });
  }

  marks(node: TypeScript.Node): void {
    this.report.marks = true;
    if (ABILITIES[this.target.attach].marks) return;
    this.refuse(node, {
      code: "kernel-no-mark",
      why:
        this.target.attach === "xdp"
          ? "at a driver's place (XDP) a packet has no mark yet"
          : "a program at a netfilter hook can only judge packets, and this sets a mark",
      instead: "load it at an interface's ingress or egress, or in user space",
    });
  }
}

/** An edge that brings nothing; what it brings can be added. */
function edgeTo(block: Block): Edge {
  return { to: block, with: [] };
}
