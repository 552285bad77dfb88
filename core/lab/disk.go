package lab

import (
	"fmt"
	"os"
)

// diskProgram runs the program; a daemon within mounts of its node's machine.
const diskProgram = `#!/bin/sh
[ "$1" = daemon ] || exec %[1]s "$@"
disk="$ORCHESTRATOR_HOME/disk" machine="$ORCHESTRATOR_HOME/machine"
[ -e "$disk" ] || %[2]s
chmod 755 "$ORCHESTRATOR_HOME"
pid=$(cat "$machine" 2>/dev/null)
if ! grep -qs sleep "/proc/$pid/comm" || ! nsenter --mount --target "$pid" true 2>/dev/null; then # or it is just ending
	rm -f "$machine"
	setsid unshare --mount --propagation private sh -ec '
		disk="$0"
		%[3]s
		echo $$ >"$1.new"
		mv "$1.new" "$1"
		exec sleep infinity' "$disk" "$machine" </dev/null &
	until [ -s "$machine" ]; do sleep 0.05; done
fi
exec nsenter --mount --target "$(cat "$machine")" %[1]s "$@"
`

// WriteDiskProgram writes to file a program for Options.Program that runs another, such that each node's daemon
// sees a disk of its own, $disk. The shell command makeDisk makes it where a node has none;
// mounts mount it, or what is in it, for as long as the node's machine is up: so what a killed
// daemon has mounted is there when the next one comes.
func WriteDiskProgram(file, program, makeDisk, mounts string) error {
	if err := os.WriteFile(file, fmt.Appendf(nil, diskProgram, program, makeDisk, mounts), 0o755); err != nil {
		return fmt.Errorf("wrap the program for disks of the nodes' own: %w", err)
	}
	return nil
}
