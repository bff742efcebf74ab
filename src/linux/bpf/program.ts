/**
 * {@link KernelProgram} on Linux: a descriptor of what the verifier has taken.
 * @module
 */
import { ConfigurationError } from "#base/errors.ts";
import type { AttachPoint, ProgramImage, TestOptions, TestRun } from "#io/kernel-programs.ts";
import { attribute, bpf, type Descriptor, fieldOf } from "./bpf-call.ts";
import { type AttachableProgram, attachProgram, type LinuxKernelLink } from "./link.ts";
import { testRun } from "./test-run.ts";

const INFO_BYTES = 232;
/** Places in `struct bpf_prog_info`. */
const MACHINE_BYTES_AT = 16;
const VERIFIED_COUNT_AT = 216;

export class LinuxKernelProgram implements AttachableProgram {
  readonly image: ProgramImage;
  readonly verifiedCount: number;
  readonly machineBytes: number;
  readonly #descriptor: Descriptor;

  constructor(image: ProgramImage, descriptor: Descriptor) {
    this.image = image;
    this.#descriptor = descriptor;
    const info = new Uint8Array(INFO_BYTES);
    bpf("describe", attribute(16, [0, descriptor.number], [4, info.length]), info);
    this.machineBytes = fieldOf(info, MACHINE_BYTES_AT);
    this.verifiedCount = fieldOf(info, VERIFIED_COUNT_AT);
  }

  get descriptor(): number {
    return this.#descriptor.number;
  }

  test(packet: Uint8Array, options?: TestOptions): TestRun {
    return testRun(this.image, this.descriptor, packet, options);
  }

  attach(point: AttachPoint): LinuxKernelLink {
    if (point.kind !== this.image.type) {
      const seen = `it is a program for ${this.image.type}, and the place one for ${point.kind}`;
      throw new ConfigurationError(`Cannot attach ${this.image.name}: ${seen}`);
    }
    return attachProgram(this, point);
  }

  close(): void {
    this.#descriptor.close();
  }
}
