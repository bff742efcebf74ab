/**
 * A standing order: a listener or observer of this process in another one's mailbox. It outlives links: whenever the
 * other process is there, it is attached, with the same identity.
 * @module
 */
import type { Asked } from "#mailbox/listener.ts";
import type { Attachment } from "#mailbox/router.ts";
import type { AttachRequest } from "./attach-tuples.ts";

/** Where an order stands now: on a link, under the number of its ATTACH frame. */
export interface Post {
  /** Takes the order out at the owner. */
  detach(ref: number): Promise<void>;
}

export class Order implements Attachment {
  readonly address: string;
  readonly label: string;
  /** The process whose mailbox it is. */
  readonly process: string;
  readonly path: string;
  readonly request: AttachRequest;
  /** The function, as the bus asks it. */
  readonly asked: Asked;
  state: "attached" | "waiting" | "detached" = "waiting";
  /** Copies that the owner left out because this process did not keep up; told with the next copy. */
  missed = 0;
  /** Times the function of an observer threw. */
  errors = 0;
  /** The ATTACH that is on its way. */
  placing: Promise<void> | undefined;
  #post: { readonly at: Post; readonly ref: number } | undefined;
  readonly #onDetach: (order: Order) => void;

  constructor(
    address: string,
    process: string,
    path: string,
    request: AttachRequest,
    asked: Asked,
    onDetach: (order: Order) => void,
  ) {
    this.address = address;
    this.label = request.label;
    this.process = process;
    this.path = path;
    this.request = request;
    this.asked = asked;
    this.#onDetach = onDetach;
  }

  /** Whether it stands on some link, answered or not. */
  get isPosted(): boolean {
    return this.#post !== undefined;
  }

  isPostedAt(at: Post): boolean {
    return this.#post?.at === at;
  }

  post(at: Post, ref: number): void {
    this.#post = { at, ref };
  }

  /** The link is gone, or refused; the order stays. */
  unpost(): void {
    this.#post = undefined;
    if (this.state === "attached") this.state = "waiting";
  }

  /** The owner has refused it: it is not remembered any more. */
  drop(): void {
    if (this.state === "detached") return;
    this.state = "detached";
    this.#onDetach(this);
  }

  async detach(): Promise<void> {
    this.drop();
    const post = this.#post;
    this.#post = undefined;
    await post?.at.detach(post.ref);
  }
}
