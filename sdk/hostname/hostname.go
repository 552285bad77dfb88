// Package hostname starts programs that see another host name than the machine's.
package hostname
