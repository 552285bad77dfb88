// Package core holds the vocabulary of the product and the pure state machine
// of a module: given an instance and an event, Step answers the next instance
// and the ordered list of actions that make it true.
//
// The package imports the standard library only, and of that nothing that
// reaches the outside: no clock, no network, no files. Time arrives as a field
// of an event. That makes every decision replayable: the same events always
// give the same states.
//
//	peer lost / checker result / operator command / timer / hook finished
//	  → runner of the module (one goroutine, one inbox)
//	  → core.Step(instance, event) → (instance', []Action)
//	  → journal: transition and cause, before the effect
//	  → actions in order
//	  → results come back as events
package core
