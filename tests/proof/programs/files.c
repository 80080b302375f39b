/* Works on files, sockets and processes; goes on after every refusal. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void try_port(const char *variable)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(getenv(variable)))};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	perror(bind(socket(AF_INET, SOCK_STREAM, 0), (void *)&address, sizeof(address)) ? variable : "fine");
	perror(connect(socket(AF_INET, SOCK_STREAM, 0), (void *)&address, sizeof(address)) ? variable : "fine");
}

int main(void)
{
	int half = open("half", O_PATH | O_DIRECTORY), text = open("half/text", O_WRONLY);

	open("closed/text", O_RDONLY);
	open("in/text", O_WRONLY | O_APPEND);
	open("closed/new", O_WRONLY | O_CREAT, 0600);
	openat(half, "new", O_WRONLY | O_CREAT | O_EXCL, 0600);
	open("half/table", O_RDWR | O_TRUNC);
	ftruncate(text, 1);
	truncate("half/main.c", 1);
	truncate("out/main.c", 1);
	mkdir("half/dir", 0700);
	mkdirat(half, "../out/dir", 0700);
	mknod("closed/fifo", S_IFIFO | 0600, 0);
	symlink("text", "half/symlink");
	link("in/text", "out/hard");
	rename("out/table", "half/moved");
	rename("half/text", "half/text2");
	renameat2(half, "text", half, "table", RENAME_EXCHANGE);
	unlink("half/sub/more");
	rmdir("closed/sub");
	chown("out/text", -1, -1);
	kill(atoi(getenv("OUTSIDE")), 0);
	kill(getpid(), 0);
	try_port("PORT0");
	try_port("PORT1");
	try_port("PORT2");
	execl("closed/text", "closed/text", (char *)NULL);
	execl("/bin/cat", "cat", "closed/table", (char *)NULL);
}
