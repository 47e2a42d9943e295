# Reads memcheck's logs and fails, showing them, on errors. One kind is not taken for one: an address on a thread's own stack
# "in frame #n". What is at or above the stack pointer is always the program's, so that report is memcheck's mistake: it
# remembers one current stack for all threads, and when a thread comes on whose stack is another registered one (Go registers
# its own), it misses the first growth of the frame that runs there. Every log must end in a summary.

function end_of_block() {
	if (block ~ /\n==[0-9]+==    at 0x/ && block !~ /'s stack\n[^\n]*in frame #/) {
		print block
		errors++
	}
	block = ""
}

FNR == 1 { end_of_block(); logs++ }
/^==[0-9]+== *$/ { end_of_block(); next }
/^==[0-9]+== (ERROR SUMMARY|More than [0-9]+ (different|total) errors)/ { if ($2 == "ERROR") summaries++; else { print; errors++ } }
/^==[0-9]+==/ { block = block "\n" $0 }
END {
	end_of_block()
	printf "memcheck: %d runs, %d errors\n", logs, errors
	if (summaries != logs || logs == 0) print "memcheck: " logs - summaries " of " logs + 0 " runs have no summary"
	exit errors > 0 || summaries != logs || logs == 0
}
