// Package rules is the language of failover rules: what is to be done when
// resources are in a certain state.
//
//	tcp_failure: if (tcp.? == down) then restart();
//	both_gone:   if (heartbeat.* == down && cluster() == down && rfs.synced == up) then rfs.uptodate=up;
//
// Parse reads the simple language with positions for each problem. An Engine
// evaluates rules whenever a resource changes, not now and then, and tells which
// began or ceased to hold for as long as handle_time; it is a value, and time
// arrives with each call. Explain says of every rule whether it holds and why.
//
// To the state machine a rule is a check: the resource rule.LABEL is down while
// the rule holds, and core.Check says what that asks for. See Checks.
//
// The package is pure: no clock, no files, no network. The Lua form of rules is
// run by core/hook and joins in through Predicate.
package rules
