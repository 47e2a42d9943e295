/*
 * The doorbell of include/audio_stream.h: as_doorbell_ring (mod/doorbell.c) on media threads, and the pump, which serves
 * the rings, arms, looks once more, and then sleeps on the eventfd (goside/pump).
 *
 * The processor is weak as x86 is, and nothing weaker is needed to lose a wake-up: each thread's stores wait in a store
 * buffer while its later loads go ahead. A fence, and an atomic exchange, wait until the buffer is empty.
 *
 * What must hold: when everybody has come to rest, the pump has seen all news, however long it sleeps. And a thread that
 * does not find the flag set makes no system call (as_doorbell_ring returns), which the model has in its form.
 *
 * BREAK NO_RING_FENCE   the media thread looks at the flag while its news is still in its store buffer
 * BREAK NO_ARM_FENCE    the pump looks at the rings while the flag is still in its store buffer
 * BREAK NO_SECOND_LOOK  the pump sleeps without looking again after arming
 * BREAK RING_FORGETS    the media thread takes the flag back and does not write to the eventfd
 */

#define THREADS 2
#define NEWS 3 /* of each thread */

byte news[THREADS];   /* each thread's ring: how much has been put in */
byte waiting[THREADS]; /* of it, in the thread's store buffer */
bool armed;
byte eventfd;

byte seen[THREADS]; /* by the pump */

#ifdef NO_ARM_FENCE
bool arming; /* the store of 1 is in the pump's store buffer */
#endif

proctype memory()
{
end:
	do
	:: atomic { waiting[0] > 0 -> waiting[0]--; news[0]++ }
	:: atomic { waiting[1] > 0 -> waiting[1]--; news[1]++ }
#ifdef NO_ARM_FENCE
	:: atomic { arming -> arming = false; armed = true }
#endif
	od
}

proctype media(byte me)
{
	byte put;
	bool flag;

	do
	:: put < NEWS ->
		atomic { waiting[me]++; put++ }
#ifndef NO_RING_FENCE
		waiting[me] == 0; /* the fence */
#endif
		flag = armed;
		if
		:: flag ->
			atomic { /* the exchange */
				waiting[me] == 0;
				flag = armed;
				armed = false
			}
			if
#ifdef RING_FORGETS
			:: flag
#else
			:: flag -> eventfd++
#endif
			:: else
			fi
		:: else
		fi
	:: else -> break
	od
}

proctype pump()
{
	do
	:: true ->
		seen[0] = news[0]; /* serve */
		seen[1] = news[1];
#ifdef NO_ARM_FENCE
		arming = true;
#else
		armed = true;
#endif
#ifndef NO_SECOND_LOOK
		if
		:: news[0] != seen[0] || news[1] != seen[1] ->
#ifdef NO_ARM_FENCE
			!arming; /* two stores to one address leave in order */
#endif
			armed = false;
			goto next
		:: else
		fi;
#endif
end_asleep:
		atomic { eventfd > 0 -> eventfd = 0 }
next:
		skip
	od
}

/* timeout: nobody can do anything any more */
proctype at_rest()
{
	timeout;
	assert(seen[0] == NEWS && seen[1] == NEWS)
}

init { atomic { run memory(); run media(0); run media(1); run pump(); run at_rest() } }
