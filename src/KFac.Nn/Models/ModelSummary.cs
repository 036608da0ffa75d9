using System.Globalization;
using System.Text;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One layer in a model's summary.</summary>
/// <param name="Name">As in messages and files.</param>
/// <param name="InputWidth">P_in, without the bias.</param>
/// <param name="OutputWidth">P_out.</param>
/// <param name="HasBias">Whether there is a bias.</param>
/// <param name="Parameters">Number of weights and biases.</param>
/// <param name="InputFactorSize">Rows and columns of A.</param>
/// <param name="OutputFactorSize">Rows and columns of B.</param>
public sealed record LayerSummary(
    string Name, int InputWidth, int OutputWidth, bool HasBias, long Parameters, int InputFactorSize, int OutputFactorSize)
{
    /// <summary>Whether only the diagonal of B is kept.</summary>
    public bool HasDiagonalOutput { get; init; }

    internal long FactorElements =>
        ((long)InputFactorSize * InputFactorSize) + (HasDiagonalOutput ? OutputFactorSize : (long)OutputFactorSize * OutputFactorSize);
}

/// <summary>A parameter without Kronecker structure in a model's summary.</summary>
/// <param name="Name">As in messages and files.</param>
/// <param name="Parameters">Number of elements.</param>
public sealed record ParameterSummary(string Name, long Parameters);

/// <summary>What a model consists of, as data.</summary>
/// <param name="Layers">In the order of <see cref="ICurvatureModel.Layers"/>.</param>
/// <param name="OtherParameters">Parameters without Kronecker structure, in the order of the flat vectors.</param>
/// <param name="Parameters">Number of trained numbers in all.</param>
/// <param name="FactorElements">Numbers in all Kronecker factors together.</param>
public sealed record ModelSummary(
    IReadOnlyList<LayerSummary> Layers, IReadOnlyList<ParameterSummary> OtherParameters, long Parameters, long FactorElements)
{
    /// <summary>Bytes of the parameters and their gradients; momentum and the like come on top, as much again for each.</summary>
    public long ParameterBytes => 2 * sizeof(float) * Parameters;

    /// <summary>Bytes of the Kronecker factors' moving averages.</summary>
    public long FactorBytes => sizeof(float) * FactorElements;

    /// <summary>Bytes of the factors' inverses, or of their eigenvectors.</summary>
    public long InverseBytes => sizeof(float) * FactorElements;

    /// <summary>Bytes that values and gradients of one training step take; 0 where no step was tried.</summary>
    public long StepBytes { get; init; }

    /// <summary>A line for each layer and parameter, and the bytes that training takes.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (LayerSummary layer in Layers)
        {
            string output = layer.HasDiagonalOutput ? $"diagonal {layer.OutputFactorSize}" : $"{layer.OutputFactorSize}²";
            Line(text, layer.Name, $"{layer.InputWidth} → {layer.OutputWidth}{(layer.HasBias ? " + bias" : string.Empty)}", layer.Parameters);
            text.Append(CultureInfo.InvariantCulture, $"  A {layer.InputFactorSize}², B {output}\n");
        }

        foreach (ParameterSummary parameter in OtherParameters)
        {
            Line(text, parameter.Name, string.Empty, parameter.Parameters);
            text.Append('\n');
        }

        text.Append(CultureInfo.InvariantCulture, $"{Parameters:N0} parameters: {ParameterBytes:N0} bytes with their gradients, ");
        text.Append(CultureInfo.InvariantCulture, $"{FactorBytes:N0} for Kronecker factors, {InverseBytes:N0} for their inverses, {StepBytes:N0} for a step");
        return text.ToString();
    }

    /// <summary>Summarises a workload's model: one forward and backward pass on its first examples, on a device without memory
    /// (<see cref="Device.OpenPlan"/>). Nothing but the data is allocated.</summary>
    /// <exception cref="ArgumentException">A batch holds more examples than there are.</exception>
    public static ModelSummary Of(Workload workload, TrainingProblem problem)
    {
        ArgumentNullException.ThrowIfNull(workload);
        ArgumentNullException.ThrowIfNull(problem);
        using Device plan = Device.OpenPlan();
        using Network network = problem.CreateNetwork(plan, seed: 0);
        using MiniBatch batch = problem.CreateBatch(plan.DefaultStream, workload.BatchSize);
        batch.FillForTraining(new BatchOrder(problem.CountOf(DataPart.Train), workload.BatchSize, seed: 0).Next(), default);
        batch.Forward(network);
        return OfStep(network, batch.Targets);
    }

    /// <summary>Summarises a model, and what a step on inputs of a shape takes, without allocating any of it.</summary>
    /// <param name="root">Taken over; build another for training.</param>
    /// <param name="loss">The training loss.</param>
    /// <param name="input">[M, sharing dimensions…, P]; images are [M, H, W, C].</param>
    /// <exception cref="ArgumentException">The input does not fit; the message names the layer.</exception>
    public static ModelSummary Of(Module root, Loss loss, TensorShape input)
    {
        using Device plan = Device.OpenPlan();
        using var arena = new Arena(plan);
        using var network = new Network(plan, root, loss, default);
        network.Forward(arena.Matrix<float>(input.Rows, input.Columns), input);
        return OfStep(network, TargetsOf(network, loss, arena));
    }

    /// <summary>Summarises a model of tokens, and what a step on sequences of a length takes, without allocating any of it.</summary>
    /// <param name="root">Taken over; build another for training.</param>
    /// <param name="loss">The training loss.</param>
    /// <param name="examples">M.</param>
    /// <param name="length">T.</param>
    /// <param name="contextLength">Tokens of each sequence that a translation reads; null for a model without a context.</param>
    /// <exception cref="ArgumentException">The input does not fit; the message names the layer.</exception>
    public static ModelSummary OfTokens(Module root, Loss loss, int examples, int length, int? contextLength = null)
    {
        using Device plan = Device.OpenPlan();
        using var arena = new Arena(plan);
        using var network = new Network(plan, root, loss, default);
        TokenSequences Sequences(int tokens) => TokenSequences.Uniform(arena.Vector<int>(checked(examples * tokens)), examples);
        if (contextLength is int context)
        {
            network.Forward(Sequences(length), Sequences(context));
        }
        else
        {
            network.Forward(Sequences(length));
        }

        return OfStep(network, TargetsOf(network, loss, arena));
    }

    /// <summary>Summarises a network.</summary>
    public static ModelSummary Of(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        List<LayerSummary> layers = [.. network.Layers.Select(Summarise)];
        List<ParameterSummary> others =
        [
            .. network.Parameters.Blocks.Where(static block => block.Layer < 0)
                .Select(static block => new ParameterSummary(block.Name, (long)block.Rows * block.Columns)),
        ];
        return new ModelSummary(
            layers,
            others,
            layers.Sum(static layer => layer.Parameters) + others.Sum(static parameter => parameter.Parameters),
            layers.Sum(static layer => layer.FactorElements));
    }

    private static void Line(StringBuilder text, string name, string shape, long parameters) =>
        text.Append(CultureInfo.InvariantCulture, $"{name,-32}{shape,-24}{parameters,14:N0}");

    private static ModelSummary OfStep(Network network, Targets targets)
    {
        network.SetTargets(targets);
        network.Backward();
        return Of(network) with { StepBytes = network.PassBytes };
    }

    private static Targets TargetsOf(Network network, Loss loss, Arena arena)
    {
        MatrixView<float> outputs = network.Output.Value;
        return loss is CrossEntropyLoss
            ? Targets.Of(arena.Vector<int>(outputs.Rows))
            : Targets.Of(arena.Matrix<float>(outputs.Rows, outputs.Columns));
    }

    private static LayerSummary Summarise(KroneckerLayer layer) => new(
        layer.Name,
        layer.InputWidth,
        layer.OutputWidth,
        layer.HasBias,
        (long)layer.OutputWidth * layer.FactorInputWidth,
        layer.FactorInputWidth,
        layer.OutputWidth)
    {
        HasDiagonalOutput = layer.HasDiagonalOutput,
    };
}
