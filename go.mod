module mod_audio_stream

go 1.26
