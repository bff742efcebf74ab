/**
 * `metanet completion`: a script for the shell that completes commands, options, and addresses of what runs.
 * @module
 */
import { Argument, Command } from "commander";
import type { Terminal } from "../terminal.ts";

/** Commands whose arguments are addresses of mailboxes. */
const WITH_ADDRESS: readonly string[] = ["call", "describe", "list", "listen", "observe", "send", "trace"];

export function completionCommand(terminal: Terminal): Command {
  return new Command("completion")
    .summary("print a completion script for the shell")
    .description("Prints a script that completes commands, options and the addresses of running processes.")
    .addArgument(new Argument("<SHELL>").choices(["bash", "zsh"]))
    .addHelpText(
      "after",
      "\nExamples:\n  source <(metanet completion bash)\n  metanet completion bash | sudo tee /etc/bash_completion.d/metanet",
    )
    .action((shell: string, _options: object, command: Command) => {
      const commands = command.parent?.commands.filter((each) => each.name() !== "service") ?? [];
      terminal.out(
        [
          ...(shell === "zsh" ? ["autoload -U +X bashcompinit && bashcompinit"] : []),
          bashScript(commands),
        ].join("\n"),
      );
    });
}

/** A completion function; words come from the program's own tables, so that it cannot name what is not there. */
export function bashScript(commands: readonly Command[]): string {
  const cases = commands.map((command) => `    ${caseOf(command)}`);
  return `_metanet() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" words="" line="\${COMP_LINE:0:COMP_POINT}"
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "${commands.map((command) => command.name()).join(" ")} help --help --version" -- "$cur"))
    return
  fi
  if [[ $cur != -* ]]; then
    case "\${COMP_WORDS[1]}" in
      ${WITH_ADDRESS.join("|")})
        # bash takes colons for the ends of words, and addresses have one.
        local whole="\${line##* }" prefix=""
        [[ $whole == *:* && $COMP_WORDBREAKS == *:* ]] && prefix="\${whole%:*}:"
        COMPREPLY=($(compgen -W "$(metanet list --addresses 2>/dev/null)" -- "$whole"))
        COMPREPLY=("\${COMPREPLY[@]#"$prefix"}")
        return ;;
      up)
        # For file names only: bash would put a backslash before an address's colon. zsh has no compopt.
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$cur"))
        return ;;
    esac
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _metanet metanet`;
}

/** The branch of a command: its options, or the names of its own commands and theirs. */
function caseOf(command: Command): string {
  const [name, subcommands] = [command.name(), command.commands];
  if (subcommands.length === 0) return `${name}) words="${optionsOf(command)}" ;;`;
  const names = subcommands.map((each) => each.name()).join(" ");
  const inner = subcommands.map((each) => `${each.name()}) words="${optionsOf(each)}" ;;`).join(" ");
  return `${name})
      if ((COMP_CWORD == 2)); then words="${names} --help"
      elif [[ $cur != -* ]]; then compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); return
      else case "\${COMP_WORDS[2]}" in ${inner} esac; fi ;;`;
}

function optionsOf(command: Command): string {
  const options = command.options.filter(({ hidden }) => !hidden).flatMap(({ short, long }) => [short, long]);
  return [...options, "--help"].filter(Boolean).join(" ");
}
