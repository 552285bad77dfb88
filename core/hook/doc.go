// Package hook runs the hooks of a module: the scripts in its bin/ folder that
// start, stop and prepare its application. A hook is bin/NAME.lua, or else an
// executable bin/NAME (also .sh on Unix; .exe, .cmd, .bat, .ps1, .vbs on Windows).
//
// A Lua hook runs in a fresh Lua state with the functions of the API table
// (see Functions), which is the one source of what exists: the checks of
// CheckSyntax, the stubs for editors and the reference page come from it.
// Every call that waits obeys the hook's deadline, and the deadline is looked
// at between the instructions of the Lua program. The state of a hook that ran
// into its deadline is thrown away; every process that the hook started is
// killed with its children.
//
// What runs in the Lua state is trusted as much as a shell script of the same
// module would be. The limits here guard the daemon against mistakes, not
// against an administrator who means harm.
package hook
