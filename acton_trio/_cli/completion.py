"""The scripts that have shells complete commands.

They hand what was typed to ``acton-trio __complete``, word by word, and offer
what it prints.  None of them has the shell evaluate that: it holds names that
other processes have chosen.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

__all__ = ["script_for"]

# COMP_WORDS would be cut at ``@``, ``=`` and ``:``, so the line is read anew.
_BASH: Final = r"""
_acton_trio() {
  local line=${COMP_LINE:0:COMP_POINT} words
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  mapfile -t COMPREPLY < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
}
complete -o default -F _acton_trio acton-trio
"""

_ZSH: Final = r"""
#compdef acton-trio
_acton_trio() {
  local -a found
  found=("${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n $found ]] && compadd -- $found || _files
}
compdef _acton_trio acton-trio
"""

_FISH: Final = r"""
function __acton_trio
  set -l words (commandline -opc) (commandline -ct)
  $words[1] __complete $words[2..] 2>/dev/null
end
complete -c acton-trio -a '(__acton_trio)'
"""

_SCRIPTS: Final = MappingProxyType({"bash": _BASH, "zsh": _ZSH, "fish": _FISH})


def script_for(shell: str) -> str:
    """Return what *shell* is to evaluate, in order to complete commands."""
    return _SCRIPTS[shell].lstrip("\n")
