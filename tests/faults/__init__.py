"""The fault suite: the real parts as processes, faults at random from a seed, and an audit of what became of it.

python -m tests.faults --seed 7 --minutes 30 --stack full

plan       which faults come when: a pure function of the seed
load       which jobs are submitted meanwhile: likewise, and who drives them to their end
injections what each kind of fault does to the world
world      the parts, the proxies in front of the servers, and the way to each process
full_stack, embedded_stack   the two worlds
processes  parts that are started again when they end      proxy   a server that is away, slow or mute
points     named points in the parts at which they can be struck      armed, standalone   parts with those points
journal    what the workers say they did
verdict    the audit, and what only who submitted can know
report     the table at the end
"""
