using System.Runtime.InteropServices;
using KFac.Cli;

using var cancellation = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
return new KfacApplication(Console.Out, Console.Error, cancellation.Token).Run(args);

// The first signal asks the command to stop at its next safe point; a second one ends the process as usual.
void Stop(PosixSignalContext signal)
{
    if (!cancellation.IsCancellationRequested)
    {
        signal.Cancel = true;
        cancellation.Cancel();
    }
}
